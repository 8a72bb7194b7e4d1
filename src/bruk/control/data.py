"""Commands on artifacts: content-addressed bytes with an owner."""

from collections.abc import Iterable
from typing import BinaryIO

from bruk.control import authorise, inspection
from bruk.control.control import Control
from bruk.model.artifact import Artifact, ArtifactKind
from bruk.model.errors import Conflict
from bruk.model.name import check_name
from bruk.model.tenant import Actor
from bruk.model.workload import JobSpec
from bruk.store import counters, goods, people, work

LET_GO = "bytes_let_go"


def put(
    control: Control,
    actor: Actor,
    project: str,
    name: str,
    kind: ArtifactKind,
    chunks: Iterable[bytes],
    expected_digest: str | None = None,
) -> Artifact:
    """Keep bytes under a name; the same bytes are stored once.

    Raises:
        InvalidInput: the name is not usable, or the bytes do not have the expected digest.
        DiskFull: there is no space; nothing was kept.
    """
    with control.refusals(actor, "data.put", project):
        authorise.work(actor, project, "put data")
    check_name(name, "artifact name")
    with control.read() as connection:
        people.get_project(connection, project)
    artifact_id = control.clock.new_id("art")
    digest, size_bytes = control.blobs.put(artifact_id, chunks, expected_digest)
    with control.change(
        actor, "data.put", artifact_id, name=name, digest=digest, size_bytes=size_bytes
    ) as change:
        if not control.blobs.has(digest):
            raise Conflict("the same bytes were removed at this very moment; send them again", digest=digest)
        artifact = Artifact(artifact_id, project, name, kind, digest, size_bytes, change.now_ms)
        goods.add_artifact(change.connection, artifact)
    return artifact


def get(control: Control, actor: Actor, artifact_id: str) -> Artifact:
    """An artifact's row."""
    with control.read() as connection:
        artifact = goods.get_artifact(connection, artifact_id)
    authorise.read(actor, artifact.project.split("/")[0], artifact.project, "artifact", artifact_id)
    return artifact


def content(control: Control, actor: Actor, artifact_id: str) -> tuple[Artifact, BinaryIO]:
    """An artifact's bytes.

    Raises:
        AccessNeeded: the caller is an operator and has not asked for it, or an auditor.
    """
    artifact = get(control, actor, artifact_id)
    inspection.look(control, actor, artifact.project, artifact.id)
    return artifact, control.blobs.open(artifact.digest)


def artifacts(control: Control, actor: Actor, project: str | None) -> list[Artifact]:
    """The artifacts that the caller may see."""
    with control.read() as connection:
        found = goods.artifacts(connection, tenant=actor.tenant, project=project)
    return [item for item in found if authorise.may_read(actor, item.project.split("/")[0], item.project)]


def remove(control: Control, actor: Actor, artifact_id: str) -> None:
    """Forget an artifact; its bytes go when nobody else has the same.

    Raises:
        Conflict: a model is made of it, or an open job of its project reads it.
    """
    artifact = get(control, actor, artifact_id)
    with control.change(actor, "data.remove", artifact_id, digest=artifact.digest) as change:
        authorise.work(actor, artifact.project, "remove data")
        if goods.artifact_in_use(change.connection, artifact_id):
            raise Conflict(f"{artifact_id} is a model's and belongs to its lineage", id=artifact_id)
        for workload in work.workloads(change.connection, open_=True, project=artifact.project):
            if isinstance(workload.spec, JobSpec) and artifact_id in workload.spec.inputs.values():
                raise Conflict(
                    f"job {workload.id} reads {artifact_id}; cancel it or wait for its end", id=workload.id
                )
        goods.remove_artifact(change.connection, artifact_id)
        # Should control die now, its next life knows what is still to be dropped.
        waiting = counters.setting_of(change.connection, LET_GO) or []
        counters.set_setting(change.connection, LET_GO, [*waiting, artifact.digest])
    step_bytes(control)


def step_bytes(control: Control) -> bool:
    """Drop the bytes of removed artifacts that nobody else has; True if there were any to look at."""
    with control.read() as connection:
        if not counters.setting_of(connection, LET_GO):
            return False
    # Whoever puts the same bytes now waits for this transaction and then looks whether they are here.
    with control.database.write() as connection:
        for digest in counters.setting_of(connection, LET_GO) or []:
            if not goods.digest_used(connection, digest):
                control.blobs.remove(digest)
        counters.set_setting(connection, LET_GO, [])
    return True
