"""Commands on endpoints: replicas of one model behind one name at the gateway."""

from dataclasses import replace
from urllib.parse import urlsplit

from bruk.control import authorise, models
from bruk.control.control import Control
from bruk.control.jobs import project_of
from bruk.model import egress
from bruk.model.artifact import Stage
from bruk.model.egress import Destination
from bruk.model.errors import Conflict, GateNotPassed, InvalidInput, NotFound
from bruk.model.tenant import Actor
from bruk.model.workload import Wanted, Workload, WorkloadKind
from bruk.store import goods, people, places, secrets, work
from bruk.wire.requests import AttachBody, EndpointBody

# The environment of control lists, as HOST:PORT, the servers that operators may attach.
ATTACH_VARIABLE = "BRUK_ATTACH"


def create(control: Control, actor: Actor, body: EndpointBody) -> Workload:
    """Serve a model.

    Raises:
        GateNotPassed: the model has not passed its gate.
        Conflict: an endpoint of this name is open already.
    """
    project = project_of(actor, body.project)
    with control.change(actor, "endpoint.create", body.name, model=body.model) as change:
        authorise.work(actor, project, "serve models")
        people.get_project(change.connection, project)
        model = models.own_model(change.connection, actor, project, body.model)
        if not models.may_serve(model):
            raise GateNotPassed(_gate_refusal(model.id, model.stage, bool(model.evaluations)), model=model.id)
        if work.find_endpoint(change.connection, body.name) is not None:
            raise Conflict(f"there is an endpoint {body.name!r} already", id=body.name)
        endpoint = Workload(
            control.clock.new_id("ep"),
            body.name,
            project,
            WorkloadKind.ENDPOINT,
            body.value(),
            change.now_ms,
            actor.id,
            body.priority,
        )
        work.add_workload(change.connection, endpoint)
        if model.stage is Stage.VALIDATED:
            models.move(change.connection, model, Stage.SERVED)
        change.target = endpoint.id
    return endpoint


def attach(control: Control, actor: Actor, body: AttachBody) -> Workload:
    """Offer a server that already runs under a name that clients call. No gate judges its model, and that it
    is at its site is the operator's word.

    Raises:
        InvalidInput: the URL is none, or the machine's configuration does not allow it.
        Conflict: an endpoint of this name is open already, or the model is one that Bruk made.
    """
    destination = _destination(body.url)
    with control.change(actor, "endpoint.attach", body.name, model=body.model, url=body.url) as change:
        authorise.operate(actor, "attach servers")
        if not any(rule.covers(destination) for rule in control.attachable):
            raise InvalidInput(
                f"no server at {destination} may be attached: list it in {ATTACH_VARIABLE} of control",
                field="url",
            )
        people.get_project(change.connection, body.project)
        places.get_site(change.connection, body.site)
        if body.key_secret and secrets.find(change.connection, body.project, body.key_secret) is None:
            raise NotFound(
                f"{body.project} has no secret {body.key_secret!r}: 'bruk secret set' makes it",
                what="secret",
                id=body.key_secret,
            )
        if goods.find_model(change.connection, body.model) is not None:
            raise Conflict(
                f"model {body.model} is in the registry: 'bruk endpoint create' serves it", id=body.model
            )
        if work.find_endpoint(change.connection, body.name) is not None:
            raise Conflict(f"there is an endpoint {body.name!r} already", id=body.name)
        endpoint = Workload(
            control.clock.new_id("ep"),
            body.name,
            body.project,
            WorkloadKind.ENDPOINT,
            body.value(),
            change.now_ms,
            actor.id,
        )
        work.add_workload(change.connection, endpoint)
        change.target = endpoint.id
    return endpoint


def _destination(url: str) -> Destination:
    try:
        parts = urlsplit(url)
        port = parts.port or {"http": 80, "https": 443}[parts.scheme]
        more = parts.username is not None or parts.query or parts.fragment
        if more or not parts.hostname or not url.isascii() or parts.scheme not in ("http", "https"):
            raise ValueError
    except (ValueError, KeyError):
        raise InvalidInput(
            f"{url!r} is no address of a server: write it like http://10.0.0.5:8000", field="url"
        ) from None
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return egress.parse(f"{host}:{port}")


def _gate_refusal(model: str, stage: Stage, evaluated: bool) -> str:
    if stage is Stage.RETIRED:
        return f"model {model} is retired and is not served any more"
    if evaluated:
        return f"model {model} did not pass its gate in its last evaluation and cannot be served"
    return f"model {model} has not been evaluated: run an evaluation that passes its gate, then serve it"


def get(control: Control, actor: Actor, name: str) -> Workload:
    """The open endpoint of this name, if the caller may see it.

    Raises:
        NotFound: there is none.
    """
    with control.read() as connection:
        endpoint = work.find_endpoint(connection, name)
    if endpoint is None:
        raise NotFound(f"there is no endpoint {name!r}", what="endpoint", id=name)
    authorise.read(actor, endpoint.tenant, endpoint.project, "endpoint", name)
    return endpoint


def scale(control: Control, actor: Actor, name: str, replicas: int) -> Workload:
    """Keep another number of replicas.

    Raises:
        Conflict: it is being removed.
    """
    found = get(control, actor, name)
    with control.change(actor, "endpoint.scale", found.id, replicas=replicas) as change:
        authorise.work(actor, found.project, "scale endpoints")
        endpoint = work.get_workload(change.connection, found.id)
        if endpoint.wanted is Wanted.STOP:
            raise Conflict(f"endpoint {name!r} is being removed", id=name)
        if endpoint.endpoint.attached:
            raise Conflict(
                f"endpoint {name!r} is a server that Bruk does not run: it has no replicas", id=name
            )
        endpoint = replace(endpoint, spec=replace(endpoint.endpoint, replicas=replicas), not_before_ms=0)
        work.replace_workload(change.connection, endpoint)
    return endpoint


def remove(control: Control, actor: Actor, name: str) -> Workload:
    """Stop serving under this name; replicas get their grace and end."""
    found = get(control, actor, name)
    with control.change(actor, "endpoint.remove", found.id) as change:
        authorise.work(actor, found.project, "remove endpoints")
        endpoint = replace(work.get_workload(change.connection, found.id), wanted=Wanted.STOP)
        work.replace_workload(change.connection, endpoint)
    return endpoint
