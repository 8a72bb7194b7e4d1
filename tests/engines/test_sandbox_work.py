"""Ordinary work is the same in a sandbox: Python, torch, torchrun, a recipe."""

import json
import os
import sys
from pathlib import Path

import pytest

from bruk.engines.base import EndCause
from bruk.model.run import DeviceSet, Observed

from .conftest import Works

FOLDERS = ("work", "outputs", "tmp", "data", "checkpoints")
RENDEZVOUS = """
import os, socket, torch
import torch.distributed as dist
dist.init_process_group("gloo")
total = torch.tensor([dist.get_rank() + 1.0])
dist.all_reduce(total)
assert total.item() == 3.0
with open(os.environ["BRUK_OUTPUT_DIR"] + "/rank" + str(dist.get_rank()), "w") as file:
    file.write("summed")
dist.destroy_process_group()
"""


def launch_folders(works: Works, run: str = "run-a") -> dict[str, Path]:
    """A run's folders as an agent lays them out."""
    found = {name: works.folder / run / name for name in FOLDERS}
    for folder in found.values():
        folder.mkdir(parents=True)
    return found


def agent_like(works: Works, command: tuple[str, ...], folders: dict[str, Path], **env: str):  # type: ignore[no-untyped-def]
    given = {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), "/usr/bin", "/bin"]),
        "HOME": str(folders["work"]),
        "TMPDIR": str(folders["tmp"]),
        "BRUK_OUTPUT_DIR": str(folders["outputs"]),
        "BRUK_DATA_DIR": str(folders["data"]),
        "BRUK_CHECKPOINT_DIR": str(folders["checkpoints"]),
        "BRUK_PROGRESS_FILE": str(folders["work"] / "progress.jsonl"),
        "OMP_NUM_THREADS": "1",
        "HF_HUB_OFFLINE": "1",
    }
    writable = tuple(folders[name] for name in ("work", "outputs", "tmp", "checkpoints"))
    readable = (folders["data"],)
    return works.command(
        command, "run-a", env=given | env, writable=writable, readable=readable, workdir=folders["work"]
    )


def test_a_program_finds_what_it_needs(boxed: Works) -> None:
    script = """
import bruk, getpass, json, os, pwd, socket, ssl, subprocess, sys, tempfile, zoneinfo
print(json.dumps({
    "user": getpass.getuser(), "home": pwd.getpwuid(os.getuid()).pw_dir, "tmp": tempfile.gettempdir(),
    "resolved": socket.gethostbyname(socket.gethostname()), "prefix": sys.prefix,
    "shell": subprocess.run(["sh", "-c", "echo fine | tr a-z A-Z"], capture_output=True, text=True).stdout,
    "cores": os.cpu_count(), "self": os.readlink("/proc/self/exe"), "zone": str(zoneinfo.ZoneInfo("UTC")),
    "null": open("/dev/null", "w").write("x"), "random": len(open("/dev/urandom", "rb").read(8)),
    "listed": sorted(os.listdir("/")), "run": sorted(os.listdir(os.path.dirname(os.getcwd()))),
}))
"""
    folders = launch_folders(boxed)
    engine = boxed.engine()
    handle = engine.launch(agent_like(boxed, (sys.executable, "-c", script), folders))
    status = boxed.end(engine, handle)
    said = engine.logs(handle, 0, 10**5)[0].decode()
    assert status.exit_code == 0, said
    told = json.loads(said)
    assert told["prefix"] == sys.prefix
    assert (told["user"], told["home"], told["tmp"]) == ("nobody", str(folders["work"]), str(folders["tmp"]))
    assert (told["shell"], told["resolved"]) == ("FINE\n", "127.0.0.1")
    # Beside its own folders, only the way to them: no record, no other run.
    assert told["run"] == sorted(FOLDERS)
    assert {"home", "srv", "mnt", "media", "boot"}.isdisjoint(told["listed"])


def test_files_belong_to_the_operator(boxed: Works) -> None:
    folders = launch_folders(boxed)
    engine = boxed.engine()
    boxed.end(engine, engine.launch(agent_like(boxed, ("sh", "-c", "echo x > made"), folders)))
    made = (folders["work"] / "made").stat()
    assert (made.st_uid, made.st_mode & 0o777) == (os.geteuid(), 0o600)


def test_its_temporary_folder_is_tmp_where_that_is_free(boxed: Works, tmp_path_factory: object) -> None:
    """Under pytest everything lies below /tmp itself, so that only the argument list can show it."""
    from bruk.engines.local import records, sandbox

    order = (
        dict.fromkeys(("run", "mark"), "")
        | {"workdir": "/var/lib/run/tmp"}
        | {
            "generation": 1,
            "command": ["true"],
            "bwrap": "/b",
        }
    )
    order |= {"env": {"TMPDIR": "/var/lib/run/tmp"}, "writable": ["/var/lib/run/tmp"], "readable": []}
    order |= {
        "time_limit_s": None,
        "grace_s": 1,
        "disk_bytes": 0,
        "memory_bytes": 0,
        "cores": [],
        "log_bytes": 0,
    }
    made = sandbox.arguments(records.Order(**order), hidden=[], control=3, door=-1, data={"order": 4})
    assert " --bind /var/lib/run/tmp /tmp " in " ".join(made)


@pytest.mark.slow
def test_torch_and_torchrun_rendezvous_inside(works: Works) -> None:
    pytest.importorskip("torch")
    folders = launch_folders(works)
    (folders["work"] / "train.py").write_text(RENDEZVOUS)
    torchrun = (sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "--master-port=29511")
    engine = works.engine()
    launch = agent_like(works, (*torchrun, "train.py"), folders)
    handle = engine.launch(launch)
    status = works.end(engine, handle)
    assert status.exit_code == 0, engine.logs(handle, 0, 10**5)[0].decode()
    assert [(folders["outputs"] / f"rank{rank}").read_text() for rank in (0, 1)] == ["summed"] * 2


@pytest.mark.slow
def test_a_recipe_trains_and_checkpoints_inside(boxed: Works) -> None:
    pytest.importorskip("transformers")
    folders = launch_folders(boxed)
    for side in ("train", "heldout"):
        (folders["data"] / "corpus" / side).mkdir(parents=True)
        for number in range(4):
            lines = [f"def {side}_{number}_{i}(x):\n    return x + {i}\n" for i in range(40)]
            (folders["data"] / "corpus" / side / f"m{number}.py").write_text("\n".join(lines))
    decoder = {"vocabulary": 300, "layers": 1, "width": 16, "heads": 2, "key_value_heads": 1}
    config = {"steps": 6, "batch": 2, "checkpoint_steps": 3, "log_steps": 1, "threads": 1}
    config |= {"decoder": decoder | {"mlp_width": 32, "context": 32}}
    (folders["work"] / "config.json").write_text(json.dumps(config))
    command = (sys.executable, "-m", "bruk.recipes.pretrain", str(folders["work"] / "config.json"))
    engine = boxed.engine()
    handle = engine.launch(agent_like(boxed, command, folders))
    status = boxed.end(engine, handle)
    assert status.exit_code == 0, engine.logs(handle, 0, 10**5)[0].decode()
    assert (status.observed, status.cause) == (Observed.EXITED, EndCause.NONE)
    assert any(folders["outputs"].rglob("*.safetensors"))
    assert "step" in (folders["work"] / "progress.jsonl").read_text()


def test_two_slots_have_their_own_cores(boxed: Works) -> None:
    usable = sorted(os.sched_getaffinity(0))
    if len(usable) < 2:
        pytest.skip("needs two cores")
    engine = boxed.engine()
    script = "import os; print(sorted(os.sched_getaffinity(0)))"
    for index in (0, 1):
        placement = (DeviceSet("node-1", (index,)),)
        handle = engine.launch(boxed.launch(script, f"run-{index}", placement=placement))
        boxed.end(engine, handle)
        assert engine.logs(handle, 0, 100)[0].decode().strip() != str(usable)
