"""A run's outputs on their way to control: packed, hashed, uploaded.

Called once nothing of the run lives any more, so the files stand still. Never follows a link out
of the output folder. Look at ``wire.tree`` for the packed form.
"""

import os
from pathlib import Path

from bruk.agent.disk import remove_tree
from bruk.agent.record import Folders
from bruk.agent.stage import file_digest
from bruk.agent.sync import Transport
from bruk.model.artifact import ArtifactKind
from bruk.wire.agent import OutputReport
from bruk.wire.tree import SIZE_BYTES_MAX, UnsafeTree, inside, open_regular, pack


def hand_over(
    names: list[str], folders: Folders, transport: Transport, size_bytes_max: int
) -> tuple[list[OutputReport], list[str]]:
    """Bring the named outputs to control.

    Args:
        size_bytes_max: most that they may hold together [bytes]; 0 for what a tree may.
            A file with holes takes little of the disk that its run was bounded to, and all of it once it
            is packed, hashed and sent.

    Returns:
        What control now has, and a sentence for each output that is missing or unusable.

    Raises:
        ControlAway: try again later; what was uploaded already costs little then.
        ControlRefused: control does not take one.
        OSError: the disk refused.
    """
    reports: list[OutputReport] = []
    faults: list[str] = []
    packed = folders.run / "handover"
    left_bytes = size_bytes_max or SIZE_BYTES_MAX
    for name in names:
        try:
            place = _find(name, folders.outputs)
            if place.is_dir():
                remove_tree(packed)
                packed.mkdir(mode=0o700)
                file, kind = packed / "tree.tar", ArtifactKind.TREE
                with file.open("wb") as target:
                    pack(place, target, size_bytes_max=left_bytes)
            else:
                _check_file(place, name, left_bytes)
                file, kind = place, ArtifactKind.FILE
        except FileNotFoundError:
            faults.append(f"output {name!r} is missing: write it under BRUK_OUTPUT_DIR")
            continue
        except UnsafeTree as error:
            faults.append(f"output {name!r} cannot be taken: {error.message}")
            continue
        left_bytes = max(0, left_bytes - file.stat().st_size)
        digest = file_digest(file)
        transport.hand_over(digest, file)
        reports.append(OutputReport(name=name, kind=kind, digest=digest, size_bytes=file.stat().st_size))
    remove_tree(packed)
    return reports, faults


def _check_file(place: Path, name: str, left_bytes: int) -> None:
    with open_regular(place) as file:
        size_bytes = os.fstat(file.fileno()).st_size
    if size_bytes > left_bytes:
        raise UnsafeTree(
            f"it has {size_bytes} bytes where {left_bytes} are left; raise the job's disk limit", name=name
        )


def _find(name: str, outputs: Path) -> Path:
    if not name or name.startswith("/") or ".." in Path(name).parts or "\0" in name:
        raise UnsafeTree(f"the name {name!r} leads out of the output folder", name=name)
    root = outputs.resolve(strict=True)
    place = inside(outputs / name, root)
    if place == root:
        raise UnsafeTree(f"{name!r} is the output folder itself; name something in it", name=name)
    return place
