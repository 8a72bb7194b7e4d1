"""A whole life of a cloud, as a list of acts (see ``acts``), and what must be the same at its end."""

import contextlib

from bruk.control import access, endpoints, inspection, invoices, models, persons, secrets, sites, tenancy
from bruk.control.control import Control
from bruk.model import egress
from bruk.model.errors import NotFound
from bruk.model.inspection import InspectionState, OperatorAccess
from bruk.model.switch import HoldScope
from bruk.model.tenant import Actor, Role
from bruk.model.workload import Workload
from bruk.store import money, people, places
from bruk.wire.access import InspectionBody
from bruk.wire.requests import (
    AttachBody,
    BudgetBody,
    CreditBody,
    EndpointBody,
    GateBody,
    InvoiceBody,
    KeyChange,
    PowerBody,
    PowerLimitBody,
    ProjectBody,
    ProjectChange,
    SiteChange,
    TenantBody,
    TenantChange,
)

from .acts import (
    RECORD,
    Act,
    Life,
    cancel,
    command,
    device_price,
    ends,
    gateway,
    gateway_sync,
    job,
    key,
    log_in,
    meters,
    person,
    plain,
    puts,
    refused,
    removes,
    retire,
    site,
    starts,
    steps,
    stopped,
    sync,
    turns,
    uses,
    waits,
)
from .world import DEVICE_PRICE_MICROEUR, TOKEN_PRICE_MICROEUR, World

ADMIN = Actor("user", "user_admin", Role.TENANT_ADMIN, "acme")


def _member(life: Life) -> str:
    with life.world.control.read() as connection:
        return next(item.id for item in people.users(connection) if item.tenant == "acme")


def _state(life: Life, disabled: bool) -> None:
    """Disable a person or let them in again; who repeats it finds it done."""
    with life.world.control.read() as connection:
        if people.get_user(connection, _member(life)).disabled is not disabled:
            change = persons.disable if disabled else persons.enable
            change(life.world.control, life.world.operator, _member(life))


def _attach(control: Control, operator: Actor, body: AttachBody) -> Workload:
    control.attachable = (egress.parse("10.0.0.5:8000"),)
    return endpoints.attach(control, operator, body)


def _forget(life: Life) -> None:
    """Remove the secret; who repeats it finds it gone."""
    with contextlib.suppress(NotFound):
        secrets.remove(life.world.control, ADMIN, "acme/lab", "TOKEN")


def _inspect(life: Life, at: InspectionState | None) -> None:
    """Ask, approve or end: the next thing to do with the one access request, unless it is done."""
    control, operator = life.world.control, life.world.operator
    found = inspection.listing(control, operator)
    if at is None and not found:
        inspection.ask(control, operator, InspectionBody(project="acme/lab", reason="a life"))
    elif at is not None and found[0].state is at:
        said = inspection.approve if at is InspectionState.ASKED else inspection.end
        said(control, ADMIN, found[0].inspection.id)


def _look(life: Life) -> None:
    inspection.look(life.world.control, life.world.operator, "acme/lab", "run_1/log")


def _key_id(life: Life) -> str:
    with life.world.control.read() as connection:
        return people.keys(connection, "acme/lab")[0].id


def _end_one(life: Life) -> None:
    """End the member's login link; who repeats it finds none."""
    with life.world.control.read() as connection:
        links = [item for item in people.credentials(connection, _member(life)) if item.kind == "login"]
    for link in links:
        persons.end(life.world.control, life.world.operator, link.id)


def _gets_token(life: Life) -> None:
    life.secret = access.first_operator(life.world.control)[2]


def _rotates_token(life: Life) -> None:
    """Whoever hears no answer asks again with the old token, which still works."""
    control, operator = life.world.control, life.world.operator
    _, renewed = persons.rotate(control, operator, life.secret, 60_000)
    assert access.actor_of(control, renewed).id == access.actor_of(control, life.secret).id == operator.id
    life.secret = renewed


def _uses_credentials(life: Life) -> None:
    """A key and a token are used, and that is written down; a death forgets what was not."""
    control, now_ms = life.world.control, life.world.clock.now_ms()
    with control.read() as connection:
        token = people.credentials(connection, life.world.operator.id)[-1].id
    control.uses.key(_key_id(life), now_ms)
    control.uses.credential(token, now_ms)
    assert control.uses.write(control, at_once=True)


WHOLE: list[Act] = [
    plain(lambda c, o: access.first_operator(c)),
    site("essonne", "FR", "FR"),
    site("borlange", "SE", "SE-SE3"),
    device_price("device_time", DEVICE_PRICE_MICROEUR),
    device_price("tokens_in", TOKEN_PRICE_MICROEUR),
    device_price("tokens_out", TOKEN_PRICE_MICROEUR),
    command("tenants acme", TenantBody(name="acme"), tenancy.add_tenant),
    command("projects acme", ProjectBody(tenant="acme", name="lab"), tenancy.add_project),
    command("tenants lumen", TenantBody(name="lumen"), tenancy.add_tenant),
    command("projects lumen", ProjectBody(tenant="lumen", name="lab"), tenancy.add_project),
    person("member", "acme"),
    key,
    gateway,
    log_in,
    refused,
    plain(lambda c, o: access.log_out(c, "")),
    lambda life: access.log_out(life.world.control, life.secret),
    plain(lambda c, o: tenancy.change_tenant(c, o, "acme", TenantChange(weight=3))),
    plain(lambda c, o: tenancy.change_project(c, o, "acme/lab", ProjectChange(display_name="Lab"))),
    plain(lambda c, o: tenancy.set_tenant_budget(c, o, "acme", BudgetBody(budget_microeur=10**12))),
    plain(lambda c, o: tenancy.set_project_budget(c, o, "acme/lab", BudgetBody(budget_microeur=10**12))),
    plain(lambda c, o: sites.change_site(c, o, "essonne", SiteChange(display_name="Essonne"))),
    plain(lambda c, o: sites.limit_power(c, o, "essonne", PowerBody(limits=[PowerLimitBody(watts=10**9)]))),
    plain(lambda c, o: sites.renew_agent_token(c, o, "essonne")),
    plain(lambda c, o: sites.renew_gateway_token(c, o, "gw")),
    lambda life: persons.new_link(life.world.control, life.world.operator, _member(life)),
    _end_one,
    lambda life: persons.new_link(life.world.control, life.world.operator, _member(life)),
    _gets_token,
    _rotates_token,
    _uses_credentials,
    lambda life: persons.end_all(life.world.control, life.world.operator, _member(life)),
    lambda life: _state(life, True),
    lambda life: _state(life, False),
    plain(lambda c, o: inspection.demand(c, ADMIN, "acme", OperatorAccess.APPROVED)),
    lambda life: _inspect(life, None),
    lambda life: _inspect(life, InspectionState.ASKED),
    lambda life: _look(life),
    lambda life: _inspect(life, InspectionState.GRANTED),
    lambda life: access.rotate_key(life.world.control, life.world.operator, _key_id(life), 60_000),
    plain(lambda c, o: models.set_platform_gate(c, o, GateBody())),
    sync,
    plain(lambda c, o: sites.drain(c, o, "essonne", "essonne-1", True)),
    plain(lambda c, o: sites.drain(c, o, "essonne", "essonne-1", False)),
    puts,
    plain(lambda c, o: secrets.put(c, ADMIN, "acme/lab", "TOKEN", "first")),
    job("train", model="m", outputs=["log"], secrets=["TOKEN"]),
    job("gang", resources={"nodes": 2, "devices": 4}, sites=["essonne"]),
    job("unwanted", project="lumen/lab"),
    steps,
    sync,
    starts("train", "gang", "unwanted"),
    meters("train", "gang", "unwanted"),
    sync,
    cancel,
    lambda life: _forget(life),
    steps,
    stopped,
    steps,
    job("urgent", priority=90, resources={"nodes": 2, "devices": 4}, sites=["essonne"]),
    steps,
    stopped,
    steps,
    ends("train", 0, {"log": b"log", "model": b"weights of m"}),
    steps,
    plain(lambda c, o: models.set_gate(c, o, "m", GateBody())),
    job("judge", recipe="evaluate", command=[], evaluates="m"),
    steps,
    sync,
    starts("judge"),
    meters("judge"),
    ends("judge", 0, {"evaluation.json": RECORD}),
    steps,
    command("endpoints m", EndpointBody(project="acme/lab", name="m", model="m"), endpoints.create),
    command(
        "endpoints beside",
        AttachBody(project="acme/lab", name="beside", model="x", url="http://10.0.0.5:8000", site="essonne"),
        _attach,
    ),
    steps,
    sync,
    starts("m"),
    gateway_sync,
    uses,
    gateway_sync,
    meters("m"),
    sync,
    plain(lambda c, o: endpoints.scale(c, o, "m", 2)),
    steps,
    sync,
    turns("off", HoldScope.PLATFORM, "*"),
    steps,
    stopped,
    gateway_sync,
    steps,
    stopped,
    steps,
    turns("on", HoldScope.PLATFORM, "*"),
    sync,
    gateway_sync,
    steps,
    sync,
    gateway_sync,
    job("fails", project="lumen/lab", sites=["borlange"]),
    steps,
    starts("fails"),
    meters("fails"),
    ends("fails", 3, {}),
    steps,
    waits(10_000),
    steps,
    sync,
    starts("fails"),
    ends("fails", 0, {}),
    steps,
    job("older", model="old"),
    steps,
    starts("older"),
    ends("older", 0, {"model": b"weights of old"}),
    steps,
    plain(retire),
    removes,
    steps,
    plain(lambda c, o: endpoints.remove(c, o, "m")),
    plain(lambda c, o: endpoints.remove(c, o, "beside")),
    steps,
    stopped,
    steps,
    uses,
    gateway_sync,
    lambda life: access.change_key(
        life.world.control, life.world.operator, _key_id(life), KeyChange(disabled=True)
    ),
    command("credits", CreditBody(project="acme/lab", amount_microeur=7, note="a fault"), invoices.credit),
    waits(10),
    command("invoices acme", InvoiceBody(tenant="acme"), invoices.issue),
    command("invoices lumen", InvoiceBody(tenant="lumen"), invoices.issue),
]


def invoices_of(world: World) -> list[tuple[str, int]]:
    """Numbers and totals of all invoices."""
    with world.control.read() as connection:
        rows = money.invoices(connection)
    return [(row.number, int(row.document["body"]["total_microeur"])) for row in rows]


def enforcers(world: World) -> tuple[int, int]:
    """How many agents and gateways control knows."""
    with world.control.read() as connection:
        return len(places.agents(connection)), len(places.gateways(connection))
