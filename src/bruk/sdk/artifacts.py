"""Files and folders in and out, checked by their digest on both ways."""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from bruk.model.artifact import Artifact, ArtifactKind
from bruk.model.errors import Conflict, ErrorKind, InvalidInput, NotFound
from bruk.sdk.errors import DIGEST_MISMATCH, SdkError
from bruk.sdk.transport import Transport, segment
from bruk.sdk.whole_file import written_whole
from bruk.wire import tree

PIECE_BYTES = 1 << 20


class Artifacts:
    """Routes below ``/artifacts``."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self, project: str | None = None) -> Iterator[Artifact]:
        """Artifacts, of one project or of all that the caller may see."""
        return self._transport.items("/artifacts", Artifact, {"project": project})

    def get(self, artifact: str) -> Artifact:
        """What is known of one artifact."""
        return self._transport.load(Artifact, self._transport.get(f"/artifacts/{segment(artifact)}"))

    def find(self, reference: str, project: str | None = None) -> Artifact:
        """The artifact with this id, or the newest of a project with this name.

        Raises:
            NotFound: there is none.
        """
        found = [item for item in self.list(project) if reference in (item.id, item.name)]
        if not found:
            raise NotFound(
                f"There is no artifact {reference!r}"
                f"{f' in project {project}' if project else ''}. 'bruk data ls' lists what there is.",
                artifact=reference,
            )
        return max(found, key=lambda item: (item.id == reference, item.created_at_ms, item.id))

    def put(self, path: Path, project: str | None, name: str) -> Artifact:
        """Upload a file, or a folder as a tree.

        Raises:
            InvalidInput: it cannot be read or packed.
            SdkError: refused, or ``digest_mismatch``: what arrived is not what was sent.
        """
        try:
            if path.is_dir():
                with tempfile.TemporaryFile() as packed:
                    tree.pack(path, packed)
                    packed.seek(0)
                    return self.upload(packed, project, name, ArtifactKind.TREE)
            with path.open("rb") as file:
                return self.upload(file, project, name, ArtifactKind.FILE)
        except OSError as error:
            raise InvalidInput(
                f"{error.filename or path} cannot be read: {error.strerror or error}"
            ) from None

    def upload(
        self,
        file: BinaryIO,
        project: str | None,
        name: str,
        kind: ArtifactKind,
    ) -> Artifact:
        """Upload the rest of an open file. Raises as :meth:`put`."""
        start = file.tell()
        size_bytes = os.fstat(file.fileno()).st_size - start
        digest = hashlib.sha256()

        def pieces() -> Iterator[bytes]:
            while piece := file.read(PIECE_BYTES):
                digest.update(piece)
                yield piece

        headers = {"Content-Length": str(size_bytes), "Content-Type": "application/octet-stream"}
        answer = self._transport.request(
            "POST",
            "/artifacts",
            params={"project": project, "name": name, "kind": kind.value},
            headers=headers,
            content=pieces(),
        )
        artifact = self._transport.load(Artifact, self._transport.json_of(answer))
        if artifact.digest != digest.hexdigest():
            raise _mismatch(artifact.id, "upload it again")
        return artifact

    def content(self, artifact: Artifact, file: BinaryIO) -> None:
        """Write an artifact's bytes to an open file.

        Raises:
            SdkError: ``digest_mismatch``: what arrived is not what was asked for.
        """
        digest = hashlib.sha256()
        with self._transport.stream("GET", f"/artifacts/{segment(artifact.id)}/content") as answer:
            for piece in answer.iter_bytes(PIECE_BYTES):
                digest.update(piece)
                file.write(piece)
        if digest.hexdigest() != artifact.digest:
            raise _mismatch(artifact.id, "fetch it again; if it stays so, the stored copy is damaged")

    def fetch(self, artifact: Artifact, path: Path) -> None:
        """Download to a path that does not exist yet: a file, or a folder for a tree.

        Raises:
            Conflict: the path exists.
            InvalidInput: it cannot be written, or the tree holds what none may hold.
            SdkError: refused, or ``digest_mismatch``; then nothing is left at the path.
        """
        if artifact.kind is ArtifactKind.FILE:
            with written_whole(path) as file:
                self.content(artifact, file)
            return
        if os.path.lexists(path):
            raise Conflict(f"{path} exists already; choose another name or remove it", path=str(path))
        try:
            draft = Path(tempfile.mkdtemp(prefix=f".{path.name[:40]}.", dir=path.parent))
        except OSError as error:
            raise InvalidInput(f"{path} cannot be written: {error.strerror or error}") from None
        try:
            with tempfile.TemporaryFile(dir=draft.parent) as packed:
                self.content(artifact, packed)
                packed.seek(0)
                tree.unpack(packed, draft / "tree")
            os.rename(draft / "tree", path)
        except OSError as error:
            raise InvalidInput(f"{path} cannot be written: {error.strerror or error}") from None
        finally:
            shutil.rmtree(draft, ignore_errors=True)

    def remove(self, artifact: str) -> None:
        """Delete an artifact."""
        self._transport.send("DELETE", f"/artifacts/{segment(artifact)}")


def _mismatch(artifact: str, advice: str) -> SdkError:
    return SdkError(
        f"The bytes of {artifact} changed on the way: their SHA-256 is another. Do this: {advice}.",
        code=DIGEST_MISMATCH,
        kind=ErrorKind.INTERNAL,
        about={"artifact": artifact},
    )
