"""Models: made by jobs, judged by evaluations against a gate, served only when they passed it.

Only the bundled ``evaluate`` recipe counts for a gate: its figures are computed by code that the
tenant did not write.
"""

from dataclasses import replace
from typing import Any

from bruk.control import authorise
from bruk.control.control import Control
from bruk.control.jobs import may_use
from bruk.model.artifact import Artifact, Evaluation, Gate, GateRule, Model, Stage
from bruk.model.errors import Conflict, InvalidInput, NotFound
from bruk.model.jsontext import parse_json
from bruk.model.tenant import Actor
from bruk.model.transitions import MODEL_STAGE, check_transition
from bruk.model.workload import Workload, WorkloadKind
from bruk.store import counters, goods, work
from bruk.store.database import Connection
from bruk.wire import codec
from bruk.wire.fields import sound_json
from bruk.wire.requests import GateBody

DEFAULT_GATE = Gate("bits_per_byte", "gzip_bits_per_byte", GateRule.AT_MOST, 900)
GATE_SETTING = "gate"
EVALUATION_BYTES_MAX = 4 << 20
EVALUATION_NAME = "evaluation.json"
# Figures are kept as whole millionths, which must stay exact.
FIGURE_MAX = 9 * 10**9


def platform_gate(connection: Connection) -> Gate:
    """The gate that holds for models without one of their own."""
    found = counters.setting_of(connection, GATE_SETTING)
    return codec.load(Gate, found) if found else DEFAULT_GATE


def set_platform_gate(control: Control, actor: Actor, body: GateBody) -> Gate:
    """The operator's rule for every model without one of its own."""
    with control.change(actor, "gate.set", "*", **body.model_dump(mode="json")) as change:
        authorise.operate(actor, "set the gate")
        counters.set_setting(change.connection, GATE_SETTING, codec.dump(body.value()))
    return body.value()


def set_gate(control: Control, actor: Actor, model_id: str, body: GateBody) -> Gate:
    """The operator's rule for one model."""
    with control.change(actor, "gate.set", model_id, **body.model_dump(mode="json")) as change:
        authorise.operate(actor, "set gates")
        goods.set_gate(change.connection, model_id, body.value())
    return body.value()


def passes(gate: Gate, figures_micro: dict[str, int]) -> bool:
    """Whether the figures pass the gate.

    Raises:
        InvalidInput: a figure that the gate names is not among them.
    """
    for name in (gate.metric, gate.baseline):
        if name not in figures_micro:
            raise InvalidInput(f"the evaluation has no figure {name!r}, which the gate asks for", figure=name)
    left = figures_micro[gate.metric] * 1000
    right = figures_micro[gate.baseline] * gate.limit_permille
    return left <= right if gate.rule is GateRule.AT_MOST else left >= right


def register(control: Control, connection: Connection, workload: Workload, output: Artifact) -> Model:
    """The model that a finished job made.

    Raises:
        Conflict: another job has made one of this id since.
    """
    if goods.find_model(connection, workload.job.model) is not None:
        raise Conflict(
            f"there is a model {workload.job.model!r} already, made since this job was submitted; its "
            "output is kept as an artifact",
            id=workload.job.model,
        )
    model = Model(
        id=workload.job.model,
        project=workload.project,
        artifact=output.id,
        stage=Stage.DRAFT,
        created_at_ms=control.clock.now_ms(),
        job=workload.id,
        parents=tuple(sorted(workload.job.inputs.values())),
    )
    goods.add_model(connection, model)
    return model


def take_evaluation(
    control: Control, connection: Connection, workload: Workload, output: Artifact
) -> Evaluation:
    """The record that a finished evaluation wrote, judged by the gate in force.

    Raises:
        InvalidInput: the record cannot be read, or lacks a figure of the gate.
    """
    model = goods.get_model(connection, workload.job.evaluates)
    record = _read_record(control, output)
    figures = {
        name: _micro(name, value)
        for name, value in record.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }
    gate = goods.gate_of(connection, model.id) or platform_gate(connection)
    evaluation = Evaluation(
        control.clock.new_id("eval"),
        model.id,
        workload.id,
        control.clock.now_ms(),
        figures,
        gate,
        passes(gate, figures),
        record,
    )
    goods.add_evaluation(connection, evaluation)
    if evaluation.passed and model.stage is Stage.DRAFT:
        move(connection, model, Stage.VALIDATED)
    elif not evaluation.passed and model.stage is Stage.VALIDATED:
        move(connection, model, Stage.DRAFT)
    return evaluation


def _micro(name: str, value: float) -> int:
    if abs(value) > FIGURE_MAX:
        raise InvalidInput(f"the figure {name!r} is beyond {FIGURE_MAX}", figure=name)
    return round(value * 1_000_000)


def _read_record(control: Control, output: Artifact) -> dict[str, Any]:
    try:
        record = parse_json(control.blobs.read(output.digest, EVALUATION_BYTES_MAX))
        sound_json(record)
    except ValueError as error:
        raise InvalidInput(f"{EVALUATION_NAME} is not JSON that can be kept: {error}") from None
    if not isinstance(record, dict):
        raise InvalidInput(f"{EVALUATION_NAME} is not a JSON object")
    return record


def move(connection: Connection, model: Model, stage: Stage) -> Model:
    """Move a model to another stage.

    Raises:
        IllegalTransition: it may not go there.
    """
    check_transition(MODEL_STAGE, model.stage, stage, f"model {model.id}")
    moved = replace(model, stage=stage)
    goods.replace_model(connection, moved)
    return moved


def get(control: Control, actor: Actor, model_id: str) -> Model:
    """The model of this id, if the caller may see it."""
    with control.read() as connection:
        model = goods.get_model(connection, model_id)
    authorise.read(actor, model.project.split("/")[0], None, "model", model_id)
    return model


def listing(control: Control, actor: Actor) -> list[Model]:
    """The models that the caller may see."""
    with control.read() as connection:
        found = goods.models(connection)
    return [model for model in found if authorise.may_read(actor, model.project.split("/")[0], None)]


def retire(control: Control, actor: Actor, model_id: str) -> Model:
    """Take a model out of use for good.

    Raises:
        Conflict: an endpoint serves it.
    """
    model = get(control, actor, model_id)
    with control.change(actor, "model.retire", model_id) as change:
        authorise.work(actor, model.project, "retire models")
        for endpoint in work.workloads(change.connection, kind=WorkloadKind.ENDPOINT, open_=True):
            if endpoint.endpoint.model == model_id:
                raise Conflict(
                    f"endpoint {endpoint.name} serves {model_id}; remove it first", id=endpoint.name
                )
        return move(change.connection, goods.get_model(change.connection, model_id), Stage.RETIRED)


def may_serve(model: Model) -> bool:
    """Whether its last evaluation passed the gate, and it was not taken out of use."""
    fit = model.stage in (Stage.VALIDATED, Stage.SERVED)
    return fit and bool(model.evaluations) and model.evaluations[-1].passed


def unserve(connection: Connection, model: Model) -> Model:
    """No endpoint wants it any more: back to where its last evaluation leaves it."""
    fit = may_serve(model)
    model = move(connection, model, Stage.VALIDATED)
    return model if fit else move(connection, model, Stage.DRAFT)


def own_model(connection: Connection, actor: Actor, project: str, model_id: str) -> Model:
    """The model, if work of this project may use it (see ``jobs.may_use``).

    Raises:
        NotFound: there is none, or it is another tenant's.
        ResidencyViolation: it is of a project that keeps its data to fewer places.
    """
    model = goods.find_model(connection, model_id)
    if model is None or not may_use(connection, actor, project, model.project):
        raise NotFound(f"there is no model {model_id!r}", what="model", id=model_id)
    return model
