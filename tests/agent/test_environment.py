"""Devices and software as a run sees them."""

import sys
import venv
from pathlib import Path

import pytest
from tests.agent.conftest import order

from bruk.agent.environment import launch_of
from bruk.agent.record import Folders, Phase, RunRecord
from bruk.engines.base import Launch, LaunchFailed, NodeInventory
from bruk.model.egress import parse
from bruk.model.run import DeviceSet


def launch(
    tmp_path: Path,
    accelerator: str,
    python: str = sys.executable,
    allowed: tuple[Path, ...] = (),
    egress: tuple[str, ...] = (),
    **changes: object,
) -> tuple[Launch, str]:
    made = order(**changes)
    record = RunRecord("run_1", 1, Phase.STAGING, made, tuple(made.placement), port=4000, master_port=4001)
    folders = Folders(tmp_path / "run_1", tmp_path / "checkpoints")
    node = NodeInventory("node-1", "pool", accelerator, 8, 8000, 2**30)
    return launch_of(record, folders, "essonne", python, {"node-1": node}, allowed, tuple(map(parse, egress)))


PAIR = [DeviceSet("node-1", (2, 5))]


@pytest.mark.parametrize(
    ("accelerator", "variable"),
    [
        ("h100-sxm", "CUDA_VISIBLE_DEVICES"),
        ("mi250x", "ROCR_VISIBLE_DEVICES"),
        ("unheard-of", "CUDA_VISIBLE_DEVICES"),
    ],
)
def test_a_vendors_runtime_is_told_its_devices(tmp_path: Path, accelerator: str, variable: str) -> None:
    made, _ = launch(tmp_path, accelerator, placement=PAIR, env={variable: "0,1,2,3"})
    assert made.env[variable] == "2,5"
    assert made.env["NPROC_PER_NODE"] == "2"
    assert made.env["OMP_NUM_THREADS"] == "1"


def test_slots_become_threads_of_one_process(tmp_path: Path) -> None:
    made, _ = launch(tmp_path, "cpu-slot", placement=PAIR)
    assert (made.env["OMP_NUM_THREADS"], made.env["NPROC_PER_NODE"], made.env["NNODES"]) == ("2", "1", "1")
    assert not {"CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "BRUK_PORT"} & set(made.env)


def test_waiting_threads_give_their_cores_away_unless_the_job_says_otherwise(tmp_path: Path) -> None:
    made, _ = launch(tmp_path, "cpu-slot", placement=PAIR)
    assert made.env["OMP_WAIT_POLICY"] == "passive"
    made, _ = launch(tmp_path, "cpu-slot", placement=PAIR, env={"OMP_WAIT_POLICY": "active"})
    assert made.env["OMP_WAIT_POLICY"] == "active"


def test_training_on_several_boards_goes_under_torchrun(tmp_path: Path) -> None:
    made, _ = launch(tmp_path, "h100-sxm", placement=PAIR, recipe="pretrain", command=[])
    assert made.command[1:5] == ("-m", "torch.distributed.run", "--nproc-per-node=2", "--master-port=4001")
    made, _ = launch(tmp_path, "h100-sxm", placement=PAIR, recipe="evaluate", command=[])
    assert made.command[1:3] == ("-m", "bruk.recipes.evaluate")


def test_the_orders_env_cannot_smuggle(tmp_path: Path) -> None:
    made, _ = launch(
        tmp_path,
        "cpu-slot",
        env={"BRUK_REPLICA_KEY": "x", "HOME": "/root", "A=B": "1", "N": "a\0b", "": "empty", "GOOD": "1"},
    )
    assert made.env["GOOD"] == "1"
    assert not {"BRUK_REPLICA_KEY", "A=B", "N", ""} & set(made.env)
    assert made.env["HOME"] == str(tmp_path / "run_1" / "work")


def test_software_is_recorded(tmp_path: Path) -> None:
    _, software = launch(tmp_path, "cpu-slot")
    assert software.startswith("python 3.")
    assert "bruk " in software
    venv.create(tmp_path / "env", with_pip=False)
    made, software = launch(
        tmp_path,
        "cpu-slot",
        allowed=(tmp_path,),
        software_kind="venv",
        software_reference=str(tmp_path / "env"),
        recipe="serve",
        command=[],
    )
    assert made.command[0] == str(tmp_path / "env" / "bin" / "python")
    assert made.env["PATH"].startswith(str(tmp_path / "env" / "bin"))
    assert software.startswith("venv ")


@pytest.mark.parametrize("allowed", [(), ("allowed",)])
@pytest.mark.parametrize(
    "named",
    ["elsewhere/env", "allowed/../elsewhere/env", "allowed/link", "allowed/none", "/", "env", "", ".."],
)
def test_software_is_taken_only_from_where_the_operator_keeps_it(
    tmp_path: Path, named: str, allowed: tuple[str, ...]
) -> None:
    """A folder that a job names is shown to its run, so that a tenant must not choose it freely."""
    venv.create(tmp_path / "elsewhere" / "env", with_pip=False)
    (tmp_path / "allowed").mkdir()
    (tmp_path / "allowed" / "link").symlink_to(tmp_path / "elsewhere" / "env")
    reference = str(tmp_path / named) if "/" in named and named != "/" else named
    with pytest.raises(LaunchFailed, match="has no virtual environment") as raised:
        launch(
            tmp_path,
            "cpu-slot",
            allowed=tuple(tmp_path / name for name in allowed),
            software_kind="venv",
            software_reference=reference,
        )
    assert ("BRUK_SOFTWARE" in raised.value.message) is not bool(allowed)


def test_the_folder_that_is_shown_is_the_real_one(tmp_path: Path) -> None:
    venv.create(tmp_path / "allowed" / "v2", with_pip=False)
    (tmp_path / "allowed" / "current").symlink_to("v2")
    made, _ = launch(
        tmp_path,
        "cpu-slot",
        allowed=(tmp_path / "allowed",),
        software_kind="venv",
        software_reference=str(tmp_path / "allowed" / "current"),
    )
    assert tmp_path / "allowed" / "v2" in made.readable


def test_a_run_declares_what_its_sites_operator_allows(tmp_path: Path) -> None:
    wanted = ["pypi.org:443", "a.data.example:443", "*.b.data.example:443"]
    made, _ = launch(tmp_path, "cpu-slot", egress=("pypi.org:*", "*.data.example:443"), network=wanted)
    assert made.network == tuple(wanted)
    made, _ = launch(tmp_path, "cpu-slot", egress=("pypi.org:*",))
    assert made.network == ()


@pytest.mark.parametrize("allowed", [(), ("pypi.org:443", "*.data.example:443")])
@pytest.mark.parametrize(
    "wanted",
    ["pypi.org:80", "pypi.org:*", "data.example:443", "*.example:443", "a.data.example:*", "10.0.0.1:443"],
)
def test_what_the_operator_does_not_allow_as_a_whole_fails_the_launch(
    tmp_path: Path, wanted: str, allowed: tuple[str, ...]
) -> None:
    with pytest.raises(LaunchFailed) as raised:
        launch(
            tmp_path, "cpu-slot", egress=allowed, network=["pypi.org:443", wanted] if allowed else [wanted]
        )
    message = raised.value.message
    assert f"no job reach {wanted}." in message
    assert "pypi.org:443, *.data.example:443" in message if allowed else "BRUK_EGRESS" in message
