"""From an order to what the engine launches: command, whole environment, folders.

Any program that honours these variables runs on Bruk; the reference documents them. The run's own
``env`` may add to them, may replace defaults (``OMP_WAIT_POLICY`` among them) and may not replace
what says who it is and which devices it has.
"""

import importlib.metadata
import json
import os
import platform
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bruk.agent.disk import write_durably
from bruk.agent.record import Folders, RunRecord
from bruk.agent.replica import LOOPBACK
from bruk.engines.base import Launch, LaunchFailed, NodeInventory
from bruk.facility.accelerator import CPU_SLOT, UnknownAccelerator, accelerator
from bruk.model.egress import Destination, uncovered
from bruk.wire.agent import RunOrder

_RECIPE = re.compile(r"^[a-z][a-z0-9_]{0,40}$")
_DISTRIBUTED = ("pretrain", "finetune")
_FIXED = ("HOME", "TMPDIR", "CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "MASTER_ADDR", "MASTER_PORT")
NO_NETWORK = "Its operator allows none (BRUK_EGRESS)."
NO_SOFTWARE = "Its operator has named no folder for them (BRUK_SOFTWARE); take the site's own software."
_RECORDED = ("bruk", "torch", "transformers", "vllm")


@dataclass(frozen=True, slots=True)
class Software:
    """The interpreter of a run, what is recorded of it, and folders of it that the run reads."""

    python: str
    recorded: str
    folders: tuple[Path, ...] = ()


def launch_of(
    record: RunRecord,
    folders: Folders,
    site: str,
    python: str,
    nodes: Mapping[str, NodeInventory],
    software_folders: Sequence[Path] = (),
    egress: Sequence[Destination] = (),
) -> tuple[Launch, str]:
    """What to launch, and the software to record with the run.

    Args:
        software_folders: folders in which the site's operator lets jobs name virtual environments.
        egress: destinations that the site's operator lets jobs declare.

    Raises:
        LaunchFailed: the order cannot be launched at this site; the message says why.
        OSError: the recipe's configuration cannot be written.
    """
    order = record.order
    assert order is not None, "only ordered runs are launched"
    software = _software(order, python, software_folders)
    env = environment(record, folders, site, software.python, nodes)
    if order.recipe:
        write_durably(folders.config, json.dumps(order.config).encode())
    launch = Launch(
        run=order.run,
        generation=record.generation,
        placement=tuple(order.placement),
        command=_command(order, software.python, env, str(folders.config)),
        env=env,
        folder=folders.run,
        workdir=folders.work,
        writable=(folders.work, folders.outputs, folders.temporary, folders.checkpoints),
        readable=(folders.data, *software.folders),
        time_limit_s=order.time_limit_s,
        grace_s=order.grace_s,
        disk_bytes=order.disk_bytes,
        network=_network(order, egress),
        ports=(record.port,) if order.replica else (),
    )
    return launch, software.recorded


def environment(
    record: RunRecord, folders: Folders, site: str, python: str, nodes: Mapping[str, NodeInventory]
) -> dict[str, str]:
    """The whole environment of a run."""
    order = record.order
    assert order is not None, "only ordered runs have an environment"
    members = order.placement
    kind = nodes[members[0].node].accelerator if members[0].node in nodes else CPU_SLOT
    devices = len(members[0].devices)
    slots = kind == CPU_SLOT
    env = {
        "PATH": os.pathsep.join([str(Path(python).parent), "/usr/local/bin", "/usr/bin", "/bin"]),
        "LANG": "C.UTF-8",
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": str(devices if slots else 1),
        # Threads that spin while they wait take the cores that others of the same run, or of the same
        # host, would compute on: where cores are contended, that makes a run about three times slower.
        "OMP_WAIT_POLICY": "passive",
        "PYTHONUNBUFFERED": "1",
    }
    env |= {
        name: value
        for name, value in order.env.items()
        if name
        and name not in _FIXED
        and not name.startswith("BRUK_")
        and "\0" not in name + value
        and "=" not in name
    }
    env |= {
        "HOME": str(folders.work),
        "TMPDIR": str(folders.temporary),
        "BRUK_RUN_ID": order.run,
        "BRUK_WORKLOAD_ID": order.workload,
        "BRUK_SITE": site,
        "BRUK_CHECKPOINT_DIR": str(folders.checkpoints),
        "BRUK_DATA_DIR": str(folders.data),
        "BRUK_OUTPUT_DIR": str(folders.outputs),
        "BRUK_PROGRESS_FILE": str(folders.progress),
        "MASTER_ADDR": LOOPBACK,
        "MASTER_PORT": str(record.master_port),
        "NNODES": str(len(members)),
        "NPROC_PER_NODE": str(1 if slots else devices),
    }
    if variable := _visible(kind):
        env[variable] = ",".join(str(index) for index in members[0].devices)
    if order.replica:
        env |= {"BRUK_PORT": str(record.port), "BRUK_REPLICA_KEY": order.replica_key}
    return env


def _visible(kind: str) -> str:
    """The variable by which a vendor's runtime is told its devices; empty where there is none."""
    if kind == CPU_SLOT:
        return ""
    try:
        vendor = accelerator(kind).vendor.upper()
    except UnknownAccelerator:
        vendor = "NVIDIA"
    return {"NVIDIA": "CUDA_VISIBLE_DEVICES", "AMD": "ROCR_VISIBLE_DEVICES"}.get(vendor, "")


def _command(order: RunOrder, python: str, env: Mapping[str, str], config: str) -> tuple[str, ...]:
    if not order.recipe:
        if not order.command:
            raise LaunchFailed("the order names neither a command nor a recipe", run=order.run)
        return tuple(order.command)
    if not _RECIPE.match(order.recipe):
        raise LaunchFailed(f"{order.recipe!r} cannot name a recipe", run=order.run)
    module = ("-m", f"bruk.recipes.{order.recipe}", config)
    if int(env["NPROC_PER_NODE"]) > 1 and order.recipe in _DISTRIBUTED:
        where = (f"--nproc-per-node={env['NPROC_PER_NODE']}", f"--master-port={env['MASTER_PORT']}")
        return (python, "-m", "torch.distributed.run", *where, *module)
    return (python, *module)


def _network(order: RunOrder, allowed: Sequence[Destination]) -> tuple[str, ...]:
    """The destinations that a run declares, if the site's operator allows each as a whole.

    Raises:
        LaunchFailed: one is not allowed here; names all that are not.
    """
    rules = [str(rule) for rule in allowed]
    refused = uncovered(rules, order.network)
    if refused:
        known = f"Its operator allows {', '.join(rules)}." if rules else NO_NETWORK
        raise LaunchFailed(
            f"this site lets no job reach {', '.join(refused)}. {known} Ask for another site, have its "
            "operator allow it, or declare less under 'network'.",
            run=order.run,
        )
    return tuple(order.network)


def _software(order: RunOrder, python: str, allowed: Sequence[Path]) -> Software:
    if order.software_kind == "site":
        return Software(python, _site_software(python))
    if order.software_kind == "venv":
        named = Path(order.software_reference)
        # What it really is counts: a link, or '..', leads nowhere else.
        real = Path(os.path.realpath(named))
        within = any(real.is_relative_to(os.path.realpath(folder)) for folder in allowed)
        own = real / "bin" / "python"
        # Whether there is one elsewhere is not for a tenant to find out.
        if not named.is_absolute() or not within or not own.exists():
            raise LaunchFailed(
                f"this site has no virtual environment {order.software_reference!r} for jobs. "
                + (
                    f"Its operator keeps them under {', '.join(map(str, allowed))}."
                    if allowed
                    else NO_SOFTWARE
                ),
                run=order.run,
            )
        recorded = f"venv {order.software_reference} ({os.path.realpath(own)})"
        return Software(str(own), recorded, (real,))
    raise LaunchFailed(
        f"this site cannot start software of kind {order.software_kind!r}; take 'site' or 'venv'",
        run=order.run,
    )


def _site_software(python: str) -> str:
    if os.path.realpath(python) != os.path.realpath(sys.executable):
        return f"site {python}"
    versions = [f"python {platform.python_version()}"]
    for name in _RECORDED:
        try:
            versions.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    return ", ".join(versions)
