"""A run's outputs on their way to control: packed, hashed, uploaded.

Called once nothing of the run lives any more, so the files stand still. Never follows a link out
of the output folder. Look at ``wire.tree`` for the packed form.
"""

from pathlib import Path

from bruk.agent.disk import remove_tree
from bruk.agent.record import Folders
from bruk.agent.stage import file_digest
from bruk.agent.sync import Transport
from bruk.model.artifact import ArtifactKind
from bruk.wire.agent import OutputReport
from bruk.wire.tree import UnsafeTree, inside, open_regular, pack


def hand_over(
    names: list[str], folders: Folders, transport: Transport
) -> tuple[list[OutputReport], list[str]]:
    """Bring the named outputs to control.

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
    for name in names:
        try:
            place = _find(name, folders.outputs)
            if place.is_dir():
                remove_tree(packed)
                packed.mkdir(mode=0o700)
                file, kind = packed / "tree.tar", ArtifactKind.TREE
                with file.open("wb") as target:
                    pack(place, target)
            else:
                open_regular(place).close()
                file, kind = place, ArtifactKind.FILE
        except FileNotFoundError:
            faults.append(f"output {name!r} is missing: write it under BRUK_OUTPUT_DIR")
            continue
        except UnsafeTree as error:
            faults.append(f"output {name!r} cannot be taken: {error.message}")
            continue
        digest = file_digest(file)
        transport.hand_over(digest, file)
        reports.append(OutputReport(name=name, kind=kind, digest=digest, size_bytes=file.stat().st_size))
    remove_tree(packed)
    return reports, faults


def _find(name: str, outputs: Path) -> Path:
    if not name or name.startswith("/") or ".." in Path(name).parts or "\0" in name:
        raise UnsafeTree(f"the name {name!r} leads out of the output folder", name=name)
    root = outputs.resolve(strict=True)
    place = inside(outputs / name, root)
    if place == root:
        raise UnsafeTree(f"{name!r} is the output folder itself; name something in it", name=name)
    return place
