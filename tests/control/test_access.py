"""Who may come in, for how long, and what each may see of others."""

import threading
from collections.abc import Callable
from typing import Any

import pytest

from bruk.control import (
    access,
    data,
    endpoints,
    invoices,
    jobs,
    models,
    persons,
    prices,
    sites,
    switch,
    tenancy,
)
from bruk.control.estimate import estimate
from bruk.model.artifact import ArtifactKind
from bruk.model.errors import BrukError, Conflict, Forbidden, InvalidInput, NotFound, Unauthenticated
from bruk.model.switch import HoldScope
from bruk.model.tenant import Actor, Role
from bruk.wire.requests import (
    BudgetBody,
    CreditBody,
    EndpointBody,
    GateBody,
    InvoiceBody,
    JobBody,
    JobSpecBody,
    KeyBody,
    KeyChange,
    PriceBody,
    ProjectBody,
    ProjectChange,
    SiteBody,
    SiteChange,
    TenantBody,
    TenantChange,
    UserBody,
)

from .world import World

HOUR_MS = 3_600_000


def test_a_login_link_works_once(world: World) -> None:
    user, token = access.log_in(world.control, world.login)
    assert access.actor_of(world.control, token) == Actor("user", user.id, Role.OPERATOR)
    with pytest.raises(Unauthenticated):
        access.log_in(world.control, world.login)


def test_of_many_who_use_a_link_at_once_one_comes_in(world: World) -> None:
    found: list[object] = []

    def use() -> None:
        try:
            found.append(access.log_in(world.control, world.login)[1])
        except Unauthenticated:
            found.append(None)

    threads = [threading.Thread(target=use) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 6
    assert sum(item is not None for item in found) == 1


def test_links_sessions_and_tokens_end(world: World) -> None:
    other = world.person("acme", "member")
    _, session = access.log_in(world.control, world.login)
    for _ in range(47):
        world.clock.advance(HOUR_MS // 4)
        assert access.actor_of(world.control, session), "in use it lasts"
    world.clock.advance(HOUR_MS // 4 - 1)
    assert access.actor_of(world.control, session)
    world.clock.advance(1)
    with pytest.raises(Unauthenticated):
        access.actor_of(world.control, session)
    world.clock.advance(12 * HOUR_MS)
    with pytest.raises(Unauthenticated):
        access.log_in(world.control, world.logins[other.id])
    assert access.actor_of(world.control, world.token)
    world.clock.advance(366 * 24 * HOUR_MS)
    with pytest.raises(Unauthenticated):
        access.actor_of(world.control, world.token)


def test_a_session_that_lies_idle_ends_whatever_its_pages_do_by_themselves(world: World) -> None:
    _, session = access.log_in(world.control, world.login)
    _, token = access.log_in(
        world.control, persons.new_link(world.control, world.operator, world.operator.id)[1], "token"
    )
    world.clock.advance(20 * 60_000)
    access.actor_of(world.control, session)
    world.control.uses.write(world.control)
    world.clock.advance(access.SESSION_IDLE_MS - 1)
    assert access.actor_of(world.control, session, active=False), "used 30 minutes ago, less a millisecond"
    world.clock.advance(1)
    with pytest.raises(Unauthenticated):
        access.actor_of(world.control, session)
    assert access.actor_of(world.control, token), "a token is for programs, which may rest"


def test_a_newer_login_link_ends_the_older(world: World) -> None:
    person = world.person("acme", "member")
    _, newer = persons.new_link(world.control, world.operator, person.id)
    with pytest.raises(Unauthenticated):
        access.log_in(world.control, world.logins[person.id])
    assert access.log_in(world.control, newer)[0].id == person.id
    with pytest.raises(Unauthenticated):
        access.log_in(world.control, newer)


def test_each_login_has_a_session_of_its_own(world: World) -> None:
    sessions = set()
    for _ in range(3):
        _, link = persons.new_link(world.control, world.operator, world.operator.id)
        sessions.add(access.log_in(world.control, link)[1])
    assert len(sessions) == 3


def test_every_start_leaves_one_token_and_one_link_of_its_making(world: World) -> None:
    _, other = persons.rotate(world.control, world.operator, world.token, 0)
    own = access.log_in(
        world.control, persons.new_link(world.control, world.operator, world.operator.id)[1], "token"
    )[1]
    user, login, token = access.first_operator(world.control)
    assert user.id == world.operator.id
    for ended in (world.token, other):
        with pytest.raises(Unauthenticated):
            access.actor_of(world.control, ended)
    assert access.actor_of(world.control, token)
    assert access.actor_of(world.control, own), "what the person made themselves stays"
    access.first_operator(world.control)
    with pytest.raises(Unauthenticated):
        access.log_in(world.control, login)
    held = persons.credentials(world.control, world.operator, user.id).held
    assert sorted((item.kind, item.source) for item in held) == [
        ("login", "bruk up"),
        ("token", "bruk up"),
        ("token", "login link"),
    ]


def test_using_a_credential_writes_at_most_once_a_minute(world: World) -> None:
    control, clock = world.control, world.clock
    _, key = world.key("acme/lab")
    control.uses.write(control, at_once=True)
    clock.advance(60_000)
    before = world.dump()
    for _ in range(50):
        access.actor_of(control, world.token)
        access.actor_of(control, key)
        clock.advance(1)
    assert world.changed(before) == set(), "requests write nothing"
    assert control.uses.write(control)
    assert world.changed(before) == {"credential", "api_key"}
    written = world.dump()
    for _ in range(59):
        clock.advance(1_000)
        access.actor_of(control, world.token)
        assert not control.uses.write(control)
    assert world.changed(written) == set()
    (held,) = [
        item
        for item in persons.credentials(control, world.operator, world.operator.id, world.token).held
        if item.used_here
    ]
    assert held.last_used_at_ms == clock.now_ms(), "what is noted is shown before it is written"
    clock.advance(1_000)
    assert control.uses.write(control)


def test_a_login_link_is_no_token_and_a_token_no_link(world: World) -> None:
    with pytest.raises(Unauthenticated):
        access.actor_of(world.control, world.login)
    with pytest.raises(Unauthenticated):
        access.log_in(world.control, world.token)


def test_logging_out_ends_a_session_at_once_and_is_audited(world: World) -> None:
    _, session = access.log_in(world.control, world.login)
    access.log_out(world.control, session)
    with pytest.raises(Unauthenticated):
        access.actor_of(world.control, session)
    assert world.dump()["audit"][-1][4] == "user.logout"
    access.log_out(world.control, session)
    access.log_out(world.control, "never given")


def test_logging_out_with_a_login_link_leaves_it(world: World) -> None:
    access.log_out(world.control, world.login)
    assert access.log_in(world.control, world.login)


@pytest.mark.parametrize("secret", ["", "bk_", "x" * 10_000, "bk_" + "é" * 50, "\0", "../..", "' OR 1=1 --"])
def test_what_nobody_was_given_lets_nobody_in(world: World, secret: str) -> None:
    for ask in (access.actor_of, access.agent_of, access.gateway_of, access.log_in):
        with pytest.raises(Unauthenticated):
            ask(world.control, secret)  # type: ignore[operator]


def test_a_key_ends_when_it_is_disabled_or_expires(world: World) -> None:
    key, secret = world.key("acme/lab", expires_at_ms=world.clock.now_ms() + 1000)
    assert access.actor_of(world.control, secret) == Actor("key", key, Role.MEMBER, "acme", "acme/lab")
    world.clock.advance(1000)
    with pytest.raises(Unauthenticated):
        access.actor_of(world.control, secret)
    access.change_key(world.control, world.operator, key, KeyChange(expires_at_ms=None))
    assert access.actor_of(world.control, secret)
    access.change_key(world.control, world.operator, key, KeyChange(disabled=True))
    with pytest.raises(Unauthenticated):
        access.actor_of(world.control, secret)


def test_a_rotated_key_has_two_secrets_for_the_overlap_and_then_one(world: World) -> None:
    key, old = world.key("acme/lab")
    rotated, new = access.rotate_key(world.control, world.operator, key, HOUR_MS)
    assert rotated.id == key
    assert new.startswith(rotated.prefix)
    assert access.actor_of(world.control, old) == access.actor_of(world.control, new)
    world.clock.advance(HOUR_MS - 1)
    assert access.actor_of(world.control, old)
    world.clock.advance(1)
    with pytest.raises(Unauthenticated):
        access.actor_of(world.control, old)
    assert access.actor_of(world.control, new).id == key


def test_rotating_again_ends_the_oldest_secret_and_without_overlap_the_old_one(world: World) -> None:
    key, first = world.key("acme/lab")
    _, second = access.rotate_key(world.control, world.operator, key, HOUR_MS)
    _, third = access.rotate_key(world.control, world.operator, key, HOUR_MS)
    with pytest.raises(Unauthenticated):
        access.actor_of(world.control, first)
    assert access.actor_of(world.control, second)
    _, fourth = access.rotate_key(world.control, world.operator, key, 0)
    for ended in (second, third):
        with pytest.raises(Unauthenticated):
            access.actor_of(world.control, ended)
    assert access.actor_of(world.control, fourth)


def test_a_key_that_was_disabled_or_has_ended_has_no_secret_that_works(world: World) -> None:
    key, old = world.key("acme/lab", expires_at_ms=world.clock.now_ms() + 1_000)
    _, new = access.rotate_key(world.control, world.operator, key, HOUR_MS)
    world.clock.advance(1_000)
    for secret in (old, new):
        with pytest.raises(Unauthenticated):
            access.actor_of(world.control, secret)
    with pytest.raises(Conflict):
        access.rotate_key(world.control, world.operator, key, 0)
    access.change_key(world.control, world.operator, key, KeyChange(expires_at_ms=None))
    assert access.actor_of(world.control, old), "the overlap still runs"
    access.change_key(world.control, world.operator, key, KeyChange(disabled=True))
    for secret in (old, new):
        with pytest.raises(Unauthenticated):
            access.actor_of(world.control, secret)


def test_secrets_are_nowhere_in_the_database(world: World) -> None:
    _, secret = world.key("acme/lab")
    gateway = world.add_gateway("gw", "essonne")
    assert gateway
    everything = str(world.dump())
    for shown in (secret, world.login, world.token, *world.agent_tokens.values()):
        assert shown not in everything


def test_a_renewed_token_replaces_the_old_one(world: World) -> None:
    old = world.agent_tokens["essonne"]
    assert access.agent_of(world.control, old).site == "essonne"
    new = sites.renew_agent_token(world.control, world.operator, "essonne")
    assert access.agent_of(world.control, new).site == "essonne"
    with pytest.raises(Unauthenticated):
        access.agent_of(world.control, old)


@pytest.mark.parametrize(
    ("role", "tenant"), [("operator", "acme"), ("auditor", "acme"), ("member", None), ("tenant_admin", None)]
)
def test_roles_belong_where_they_belong(world: World, role: Any, tenant: str | None) -> None:
    before = world.dump()
    with pytest.raises(InvalidInput):
        access.add_user(world.control, world.operator, UserBody(name="x", role=role, tenant=tenant))
    assert world.changed(before) == set()


def _commands(world: World) -> dict[str, Callable[[Actor], object]]:
    """Every command, about things of tenant acme or of the platform."""
    world.passed("m")
    world.serve("m", "chat")
    job = world.submit()
    key, _ = world.key("acme/lab")
    corpus = data.put(world.control, world.operator, "acme/lab", "c", ArtifactKind.FILE, [b"x"])
    world.clock.advance(10)
    control = world.control
    person = world.person("acme", "member")
    sites.add_gateway(control, world.operator, "gw2", "essonne")
    job_body = JobBody(project="acme/lab", name="x", spec=JobSpecBody(command=["true"]))
    endpoint = EndpointBody(project="acme/lab", name="again", model="m")
    return {
        "job.submit": lambda who: jobs.submit(control, who, job_body),
        "job.estimate": lambda who: estimate(control, who, job_body),
        "job.get": lambda who: jobs.get(control, who, job.id),
        "job.view": lambda who: jobs.view(control, who, job.id),
        "job.cancel": lambda who: jobs.cancel(control, who, job.id),
        "data.put": lambda who: data.put(control, who, "acme/lab", "y", ArtifactKind.FILE, [b"y"]),
        "data.get": lambda who: data.get(control, who, corpus.id),
        "data.content": lambda who: data.content(control, who, corpus.id)[1].close(),
        "data.remove": lambda who: data.remove(control, who, corpus.id),
        "model.get": lambda who: models.get(control, who, "m"),
        "model.retire": lambda who: models.retire(control, who, "m"),
        "endpoint.get": lambda who: endpoints.get(control, who, "chat"),
        "endpoint.create": lambda who: endpoints.create(control, who, endpoint),
        "endpoint.scale": lambda who: endpoints.scale(control, who, "chat", 2),
        "endpoint.remove": lambda who: endpoints.remove(control, who, "chat"),
        "key.create": lambda who: access.create_key(control, who, "acme/lab", KeyBody()),
        "key.list": lambda who: access.keys(control, who, "acme/lab"),
        "key.rotate": lambda who: access.rotate_key(control, who, key, 0),
        "key.change": lambda who: access.change_key(control, who, key, KeyChange(disabled=True)),
        "user.disable": lambda who: persons.disable(control, who, person.id),
        "user.enable": lambda who: persons.enable(control, who, person.id),
        "user.link": lambda who: persons.new_link(control, who, person.id),
        "user.end": lambda who: persons.end_all(control, who, person.id),
        "gateway.token": lambda who: sites.renew_gateway_token(control, who, "gw2"),
        "project.add": lambda who: tenancy.add_project(control, who, ProjectBody(tenant="acme", name="p")),
        "project.change": lambda who: tenancy.change_project(
            control, who, "acme/lab", ProjectChange(quota_devices=1)
        ),
        "budget.project": lambda who: tenancy.set_project_budget(
            control, who, "acme/lab", BudgetBody(budget_microeur=None)
        ),
        "user.add": lambda who: access.add_user(
            control, who, UserBody(name="x", role="member", tenant="acme")
        ),
        "budget.tenant": lambda who: tenancy.set_tenant_budget(
            control, who, "acme", BudgetBody(budget_microeur=None)
        ),
        "tenant.add": lambda who: tenancy.add_tenant(control, who, TenantBody(name="new")),
        "tenant.change": lambda who: tenancy.change_tenant(control, who, "acme", TenantChange(weight=2)),
        "site.add": lambda who: sites.add_site(
            control, who, SiteBody(name="lund", country="SE", grid_zone="SE-SE3")
        ),
        "site.change": lambda who: sites.change_site(control, who, "essonne", SiteChange(operator="x")),
        "site.token": lambda who: sites.renew_agent_token(control, who, "essonne"),
        "site.drain": lambda who: sites.drain(control, who, "essonne", "essonne-0", True),
        "gateway.add": lambda who: sites.add_gateway(control, who, "gw", "essonne"),
        "price.set": lambda who: prices.set_price(
            control, who, PriceBody(resource="device_time", price_microeur=1)
        ),
        "gate.platform": lambda who: models.set_platform_gate(control, who, GateBody()),
        "gate.model": lambda who: models.set_gate(control, who, "m", GateBody()),
        "switch.off": lambda who: switch.off(control, who, HoldScope.TENANT, "acme", ""),
        "switch.on": lambda who: switch.on(control, who, HoldScope.TENANT, "acme"),
        "switch.receipts": lambda who: switch.receipts(control, who),
        "invoice.issue": lambda who: invoices.issue(control, who, InvoiceBody(tenant="acme")),
        "ledger.credit": lambda who: invoices.credit(
            control, who, CreditBody(project="acme/lab", amount_microeur=1, note="sorry")
        ),
    }


# Commands that are the operator's: anybody else hears that, whoever they are.
OPERATORS = {
    "budget.tenant",
    "tenant.add",
    "tenant.change",
    "site.add",
    "site.change",
    "site.token",
    "site.drain",
    "gateway.add",
    "gateway.token",
    "price.set",
    "gate.platform",
    "gate.model",
    "switch.off",
    "switch.on",
    "switch.receipts",
    "invoice.issue",
    "ledger.credit",
}
ADMINS = {
    "key.rotate",
    "user.disable",
    "user.enable",
    "user.link",
    "user.end",
    "key.create",
    "key.change",
    "project.add",
    "project.change",
    "budget.project",
    "user.add",
}
READS = {
    "job.get",
    "job.view",
    "job.estimate",
    "data.get",
    "data.content",
    "model.get",
    "endpoint.get",
    "key.list",
    "switch.receipts",
}


def test_another_tenant_hears_that_there_is_nothing(world: World) -> None:
    commands = _commands(world)
    strangers = [
        world.person("lumen", "tenant_admin"),
        world.person("lumen", "member"),
        access.actor_of(world.control, world.key("lumen/lab")[1]),
        Actor("agent", "essonne", site="essonne"),
        Actor("gateway", "gw", site="essonne"),
        Actor("user", "user_none"),
    ]
    for name, command in commands.items():
        for who in strangers:
            before = world.dump()
            expected: type[BrukError] = Forbidden if name in OPERATORS else NotFound
            with pytest.raises(expected) as caught:
                command(who)
            if expected is NotFound:
                assert caught.value.detail.get("tenant") != "m"
                if name == "key.change":
                    assert "acme" not in caught.value.message, "a key's tenant is not told"
            assert world.changed(before) <= {"audit"}, name


def test_roles_within_a_tenant(world: World) -> None:
    commands = _commands(world)
    world.add_project("acme", "other")
    member = world.person("acme", "member")
    key = access.actor_of(world.control, world.key("acme/lab")[1])
    foreign_key = access.actor_of(world.control, world.key("acme/other")[1])
    auditor = world.person(None, "auditor")
    for name, command in commands.items():
        before = world.dump()
        if name in ADMINS | OPERATORS:
            for who in (member, key, *([auditor] if name != "switch.receipts" else [])):
                with pytest.raises(Forbidden):
                    command(who)
        elif name not in READS:
            with pytest.raises(Forbidden):
                command(auditor)
        if name.split(".")[0] in ("job", "data", "endpoint"):
            with pytest.raises(NotFound):
                command(foreign_key)
        assert world.changed(before) <= {"audit"}, name


def test_every_change_and_every_refusal_is_in_the_audit_log(world: World) -> None:
    commands = _commands(world)
    stranger = world.person("acme", "member")
    for name, command in commands.items():
        if name in OPERATORS - {"switch.receipts"} | ADMINS:
            before = len(world.dump()["audit"])
            with pytest.raises(Forbidden):
                command(stranger)
            rows = world.dump()["audit"]
            assert len(rows) == before + 1, name
            assert (rows[-1][3], rows[-1][6]) == (stranger.id, "forbidden")
    order = [name for name in commands if name not in READS | {"model.retire", "data.remove"}]
    for name in [*order, "data.remove"]:
        before = world.dump()
        commands[name](world.operator)
        changed = world.changed(before)
        assert "audit" in changed, name
        rows = world.dump()["audit"]
        assert len(rows) == len(before["audit"]) + 1
        assert (rows[-1][3], rows[-1][6]) == (world.operator.id, "done")


def test_lists_show_what_is_ones_own(world: World) -> None:
    _commands(world)
    own, other = world.person("acme", "member"), world.person("lumen", "member")
    control = world.control
    assert len(jobs.listing(control, own)) == len(jobs.listing(control, world.operator)) > 0
    assert jobs.listing(control, other) == []
    assert jobs.listing(control, other, project="acme/lab") == []
    with pytest.raises(NotFound):
        jobs.listing(control, other, after=jobs.listing(control, own)[0].id)
    with pytest.raises(Forbidden):
        jobs.listing(control, Actor("agent", "essonne", site="essonne"))
    assert data.artifacts(control, other, None) == data.artifacts(control, other, "acme/lab") == []
    assert models.listing(control, other) == []
    assert models.listing(control, own) != []
