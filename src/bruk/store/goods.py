"""Queries of artifacts, models and their evaluations."""

from collections.abc import Collection
from typing import Any

from sqlalchemy import Connection, Row, delete, func, select, update

from bruk.model.artifact import Artifact, Evaluation, Gate, Model
from bruk.store import rows
from bruk.store.tables import artifact, evaluation, model, run
from bruk.wire import codec


def add_artifact(connection: Connection, value: Artifact) -> None:
    """A new artifact."""
    rows.add(connection, artifact, value)


def get_artifact(connection: Connection, artifact_id: str) -> Artifact:
    """The artifact.

    Raises:
        NotFound: there is none of that id.
    """
    return rows.to_value(Artifact, rows.one(connection, artifact, "artifact", id=artifact_id))


def find_artifact(connection: Connection, artifact_id: str) -> Artifact | None:
    """The artifact, or None."""
    found = rows.find(connection, artifact, id=artifact_id)
    return rows.to_value(Artifact, found) if found else None


def known_artifacts(connection: Connection, ids: Collection[str]) -> set[str]:
    """Which of these identifiers are artifacts'."""
    return rows.among(connection, select(artifact.c.id), artifact.c.id, ids)


def artifacts(
    connection: Connection, *, tenant: str | None = None, project: str | None = None, run: str | None = None
) -> list[Artifact]:
    """Artifacts, newest first."""
    statement = select(artifact).order_by(artifact.c.created_at_ms.desc(), artifact.c.id.desc())
    if project is not None:
        statement = statement.where(artifact.c.project == project)
    if tenant is not None:
        statement = statement.where(artifact.c.project.startswith(f"{tenant}/", autoescape=True))
    if run is not None:
        statement = statement.where(artifact.c.source_run == run)
    return [rows.to_value(Artifact, row) for row in rows.all_of(connection, statement)]


def remove_artifact(connection: Connection, artifact_id: str) -> None:
    """Forget an artifact; its bytes go when no other artifact has the same digest."""
    connection.execute(delete(artifact).where(artifact.c.id == artifact_id))


def digests(connection: Connection) -> set[str]:
    """Every digest that an artifact names, or that a run has handed over without an artifact yet."""
    named = set(connection.execute(select(artifact.c.digest)).scalars())
    for outputs in connection.execute(select(run.c.outputs).where(run.c.settled.is_(False))).scalars():
        named |= {item["digest"] for item in outputs or []}
    return named


def digest_used(connection: Connection, digest: str) -> bool:
    """Whether any artifact has these bytes."""
    statement = select(func.count()).select_from(artifact).where(artifact.c.digest == digest)
    return bool(connection.execute(statement).scalar())


def artifact_in_use(connection: Connection, artifact_id: str) -> bool:
    """Whether a model is made of it."""
    statement = select(func.count()).select_from(model).where(model.c.artifact == artifact_id)
    return bool(connection.execute(statement).scalar())


def add_model(connection: Connection, value: Model) -> None:
    """A new model."""
    rows.add(connection, model, value, gate=None)


def replace_model(connection: Connection, value: Model) -> None:
    """Write a model anew; its evaluations stay as they are."""
    rows.replace(connection, model, value)


def _model(connection: Connection, row: Row[Any]) -> Model:
    found = rows.every(connection, evaluation, "at_ms", "id", model=row.id)
    return rows.to_value(Model, row, evaluations=tuple(rows.to_value(Evaluation, item) for item in found))


def get_model(connection: Connection, model_id: str) -> Model:
    """The model with its evaluations.

    Raises:
        NotFound: there is none of that id.
    """
    return _model(connection, rows.one(connection, model, "model", id=model_id))


def find_model(connection: Connection, model_id: str) -> Model | None:
    """The model, or None."""
    row = rows.find(connection, model, id=model_id)
    return _model(connection, row) if row else None


def models(connection: Connection) -> list[Model]:
    """Every model, newest first."""
    statement = select(model).order_by(model.c.created_at_ms.desc(), model.c.id)
    return [_model(connection, row) for row in rows.all_of(connection, statement)]


def add_evaluation(connection: Connection, value: Evaluation) -> None:
    """A new evaluation record."""
    rows.add(connection, evaluation, value)


def gate_of(connection: Connection, model_id: str) -> Gate | None:
    """The model's own gate, or None when the platform's holds."""
    found = connection.execute(select(model.c.gate).where(model.c.id == model_id)).scalar()
    return codec.load(Gate, found) if found else None


def set_gate(connection: Connection, model_id: str, gate: Gate | None) -> None:
    """Set or remove the model's own gate."""
    rows.one(connection, model, "model", id=model_id)
    connection.execute(
        update(model).where(model.c.id == model_id).values(gate=codec.dump(gate) if gate else None)
    )
