"""Models: made by jobs, judged by evaluations against a gate, served only when they passed it.

Only the bundled ``evaluate`` recipe counts for a gate: its figures are computed by code that the
tenant did not write.
"""

import json
from dataclasses import replace
from typing import Any

from bruk.control import authorise
from bruk.control.control import Control
from bruk.model.artifact import Artifact, Evaluation, Gate, GateRule, Model, Stage
from bruk.model.errors import Conflict, InvalidInput, NotFound
from bruk.model.tenant import Actor
from bruk.model.transitions import MODEL_STAGE, check_transition
from bruk.model.workload import Workload, WorkloadKind
from bruk.store import counters, goods, work
from bruk.store.database import Connection
from bruk.wire import codec
from bruk.wire.requests import GateBody

DEFAULT_GATE = Gate("bits_per_byte", "gzip_bits_per_byte", GateRule.AT_MOST, 900)
GATE_SETTING = "gate"
EVALUATION_BYTES_MAX = 4 << 20
EVALUATION_NAME = "evaluation.json"


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
    """The model that a finished job made."""
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
        name: round(value * 1_000_000)
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


def _read_record(control: Control, output: Artifact) -> dict[str, Any]:
    try:
        record = json.loads(control.blobs.read(output.digest, EVALUATION_BYTES_MAX))
    except ValueError:
        raise InvalidInput(f"{EVALUATION_NAME} is not JSON") from None
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


def own_model(connection: Connection, project: str, model_id: str) -> Model:
    """The model, if it is of this project's tenant.

    Raises:
        NotFound: there is none, or it is another tenant's.
    """
    model = goods.find_model(connection, model_id)
    if model is None or model.project.split("/")[0] != project.split("/")[0]:
        raise NotFound(f"there is no model {model_id!r}", what="model", id=model_id)
    return model
