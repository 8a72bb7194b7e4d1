"""A snapshot that was kept, decided again: what the scheduler would do with it, and why.

The decision is the product's own, and so is the checker; nothing is simulated. Look next at
``scheduler.state``.
"""

from dataclasses import dataclass
from pathlib import Path

from bruk.model.errors import InvalidInput
from bruk.model.jsontext import parse_json
from bruk.model.plan import Plan
from bruk.model.snapshot import Snapshot
from bruk.scheduler import Violation, check, schedule
from bruk.wire import codec

# A snapshot of the largest fleet there is takes some 50 MB.
SNAPSHOT_BYTES_MAX = 512 * 2**20


class SnapshotInvalid(InvalidInput):
    """The file is no snapshot."""

    code = "snapshot_invalid"


@dataclass(frozen=True, slots=True)
class Explained:
    """What the scheduler says of a snapshot; ``violations`` is empty unless it has a defect."""

    snapshot: Snapshot
    plan: Plan
    violations: tuple[Violation, ...]


def read_snapshot(file: Path) -> Snapshot:
    """The snapshot in a file, as 'bruk twin snapshot' wrote it.

    Raises:
        SnapshotInvalid: it is too large, no JSON, or not a snapshot; the message says where.
        OSError: it cannot be read.
    """
    with file.open("rb") as stream:
        data = stream.read(SNAPSHOT_BYTES_MAX + 1)
    if len(data) > SNAPSHOT_BYTES_MAX:
        raise SnapshotInvalid(f"{file}: it is larger than {SNAPSHOT_BYTES_MAX} bytes.", file=str(file))
    try:
        found = parse_json(data)
    except ValueError as error:
        raise SnapshotInvalid(f"{file}: it is not JSON: {error}", file=str(file)) from None
    try:
        snapshot = codec.load(Snapshot, found)
    except InvalidInput as error:
        raise SnapshotInvalid(f"{file}: it is no snapshot: {error}", file=str(file)) from None
    _sound(file, snapshot)
    return snapshot


def explain(snapshot: Snapshot) -> Explained:
    """Decide a snapshot again.

    Raises:
        UnknownPolicy: it names a policy that does not exist.
        SnapshotIncomplete: a pending item's project has no account.
    """
    plan = schedule(snapshot)
    return Explained(snapshot, plan, tuple(check(snapshot, plan)))


def _sound(file: Path, snapshot: Snapshot) -> None:
    """Refuse what the scheduler takes for granted and a file need not fulfil.

    Raises:
        SnapshotInvalid: see ``read_snapshot``.
    """
    for what, names in (
        ("pending item", [item.id for item in snapshot.pending]),
        ("run", [run.id for run in snapshot.runs]),
        ("site", [state.site.name for state in snapshot.sites]),
    ):
        if len(set(names)) < len(names):
            raise SnapshotInvalid(f"{file}: a {what} stands in it twice.", file=str(file))
    for item in snapshot.pending:
        asked = item.resources
        amounts = (asked.nodes, asked.devices, asked.device_milli)
        if min(amounts) < 1 or min(asked.cpu_milli, asked.memory_bytes) < 0 or asked.device_milli > 1000:
            raise SnapshotInvalid(f"{file}: {item.id} asks for what cannot be had.", file=str(file))
        if asked.devices > 1 and asked.device_milli < 1000:
            raise SnapshotInvalid(f"{file}: {item.id} asks for parts of several devices.", file=str(file))
    for state in snapshot.sites:
        for node in state.nodes:
            if min(node.devices, node.cpu_milli, node.memory_bytes) < 0 or node.devices > 10_000:
                raise SnapshotInvalid(f"{file}: node {node.name} has what cannot be.", file=str(file))
