"""People are disabled, their sessions and tokens listed and ended, by those who may and nobody else."""

import json
import threading

import pytest

from bruk.control import access, persons
from bruk.model.errors import Conflict, Forbidden, InvalidInput, NotFound, Unauthenticated
from bruk.model.tenant import Actor, Role
from bruk.wire.requests import UserBody

from .world import World

HOUR_MS = 3_600_000


def _token(world: World, person: Actor) -> str:
    _, link = persons.new_link(world.control, world.operator, person.id)
    return access.log_in(world.control, link, "token")[1]


def _session(world: World, person: Actor) -> str:
    _, link = persons.new_link(world.control, world.operator, person.id)
    return access.log_in(world.control, link)[1]


def _second_operator(world: World) -> Actor:
    return world.person(None, "operator")


def test_a_disabled_person_is_out_at_once_and_stays_out(world: World) -> None:
    person = world.person("acme", "member")
    token, session = _token(world, person), _session(world, person)
    _, link = persons.new_link(world.control, world.operator, person.id)
    assert persons.disable(world.control, world.operator, person.id).disabled
    for secret in (token, session):
        with pytest.raises(Unauthenticated):
            access.actor_of(world.control, secret)
    with pytest.raises(Unauthenticated):
        access.log_in(world.control, link)
    with pytest.raises(Conflict):
        persons.new_link(world.control, world.operator, person.id)
    persons.enable(world.control, world.operator, person.id)
    with pytest.raises(Unauthenticated):
        access.actor_of(world.control, token)
    assert access.actor_of(world.control, _token(world, person)).id == person.id


def test_disabling_says_in_the_audit_log_how_many_credentials_ended(world: World) -> None:
    person = world.person("acme", "member")
    _token(world, person)
    _session(world, person)
    persons.disable(world.control, world.operator, person.id)
    row = world.dump()["audit"][-1]
    assert (row[3], row[4], row[5]) == (world.operator.id, "user.disable", person.id)
    detail = row[7] if isinstance(row[7], dict) else json.loads(row[7])
    assert detail["credentials_ended"] == 2


def test_whoever_waits_is_woken_when_somebody_is_disabled(world: World) -> None:
    person = world.person("acme", "member")
    version = world.control.changes.version
    persons.disable(world.control, world.operator, person.id)
    assert world.control.changes.version > version


def test_nobody_can_disable_the_last_operator_of_the_platform(world: World) -> None:
    with pytest.raises(persons.LastOperator):
        persons.disable(world.control, world.operator, world.operator.id)
    other = _second_operator(world)
    persons.disable(world.control, world.operator, other.id)
    with pytest.raises(persons.LastOperator):
        persons.disable(world.control, world.operator, world.operator.id)
    persons.enable(world.control, world.operator, other.id)
    persons.disable(world.control, other, world.operator.id)
    with pytest.raises(persons.LastOperator):
        persons.disable(world.control, other, other.id)


def test_of_two_operators_who_disable_each_other_at_once_one_is_left(world: World) -> None:
    other = _second_operator(world)
    failed: list[Exception] = []

    def attack(who: Actor, whom: Actor) -> None:
        try:
            persons.disable(world.control, who, whom.id)
        except persons.LastOperator as error:
            failed.append(error)

    pairs = [(world.operator, other), (other, world.operator)]
    threads = [threading.Thread(target=attack, args=pair) for pair in pairs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(failed) == 1


def test_a_start_after_the_first_operator_was_disabled_serves_another(world: World) -> None:
    other = _second_operator(world)
    persons.disable(world.control, other, world.operator.id)
    user, link, _ = access.first_operator(world.control)
    assert user.id == other.id
    assert access.log_in(world.control, link)[0].id == other.id


def test_what_lets_a_person_in_is_listed_without_any_secret(world: World) -> None:
    person = world.person("acme", "member")
    token = _token(world, person)
    world.clock.advance(5_000)
    session = _session(world, person)
    access.actor_of(world.control, session)
    _, link = persons.new_link(world.control, world.operator, person.id)
    found = persons.credentials(world.control, person, person.id, session)
    assert [(item.kind, item.source, item.used_here) for item in found.held] == [
        ("token", "login link", False),
        ("session", "login link", True),
        ("login", "login-link", False),
    ]
    assert found.held[0].last_used_at_ms is None
    assert found.held[1].last_used_at_ms == world.clock.now_ms()
    for secret in (token, session, link):
        assert secret not in str(found)
        assert access.hash_secret(secret) not in str(found)
    world.clock.advance(13 * HOUR_MS)
    assert [item.kind for item in persons.credentials(world.control, person, person.id).held] == [
        "token",
        "login",
    ]


def test_one_is_ended_and_the_others_stay(world: World) -> None:
    person = world.person("acme", "member")
    token, session = _token(world, person), _session(world, person)
    (held,) = [
        item for item in persons.credentials(world.control, person, person.id).held if item.kind == "session"
    ]
    persons.end(world.control, person, held.id)
    with pytest.raises(Unauthenticated):
        access.actor_of(world.control, session)
    assert access.actor_of(world.control, token)
    with pytest.raises(NotFound):
        persons.end(world.control, person, held.id)


def test_logging_out_everywhere_may_leave_where_one_is(world: World) -> None:
    person = world.person("acme", "member")
    here, there = _session(world, person), _session(world, person)
    assert persons.end_all(world.control, person, person.id, here) == 1
    assert access.actor_of(world.control, here)
    with pytest.raises(Unauthenticated):
        access.actor_of(world.control, there)
    assert persons.end_all(world.control, world.operator, person.id, world.token) == 1
    with pytest.raises(Unauthenticated):
        access.actor_of(world.control, here)


def test_who_may_see_and_end_whose(world: World) -> None:
    control = world.control
    person, colleague = world.person("acme", "member"), world.person("acme", "member")
    _token(world, person)
    (held, *_) = persons.credentials(control, person, person.id).held
    key = access.actor_of(control, world.key("acme/lab")[1])
    stranger, auditor = world.person("lumen", "tenant_admin"), world.person(None, "auditor")
    for who in (stranger, Actor("agent", "essonne", site="essonne"), Actor("gateway", "gw", site="essonne")):
        for ask in (persons.credentials, persons.end_all, persons.disable, persons.new_link):
            with pytest.raises(NotFound):
                ask(control, who, person.id)
        with pytest.raises(NotFound):
            persons.end(control, who, held.id)
    for who in (colleague, key):
        for ask in (persons.credentials, persons.end_all, persons.disable, persons.enable, persons.new_link):
            with pytest.raises(Forbidden):
                ask(control, who, person.id)
    assert persons.credentials(control, auditor, person.id).held
    for ask in (persons.end_all, persons.disable, persons.new_link):
        with pytest.raises(Forbidden):
            ask(control, auditor, person.id)
    with pytest.raises(Forbidden):
        persons.disable(control, person, person.id)
    admin = world.person("acme", "tenant_admin")
    assert persons.credentials(control, admin, person.id).held
    assert persons.end_all(control, admin, person.id) == 1
    persons.disable(control, admin, person.id)


def test_an_administrator_of_a_tenant_does_not_reach_the_platforms_people(world: World) -> None:
    admin = world.person("acme", "tenant_admin")
    for ask in (persons.credentials, persons.end_all, persons.disable, persons.new_link):
        with pytest.raises(NotFound):
            ask(world.control, admin, world.operator.id)


def test_an_operator_of_one_site_makes_no_way_in_as_one_of_the_platform(world: World) -> None:
    scoped = Actor("user", "user_scoped", Role.OPERATOR, site="essonne")
    for ask in (persons.disable, persons.new_link, persons.end_all):
        with pytest.raises(NotFound):
            ask(world.control, scoped, world.operator.id)


def test_a_rotated_token_replaces_the_old_one_now_or_after_the_overlap(world: World) -> None:
    control = world.control
    person = world.person("acme", "member")
    old = _token(world, person)
    made, new = persons.rotate(control, person, old, 0)
    assert made.expires_at_ms == world.clock.now_ms() + access.TOKEN_MS
    with pytest.raises(Unauthenticated):
        access.actor_of(control, old)
    _, newest = persons.rotate(control, person, new, HOUR_MS)
    world.clock.advance(HOUR_MS - 1)
    assert access.actor_of(control, new)
    world.clock.advance(1)
    with pytest.raises(Unauthenticated):
        access.actor_of(control, new)
    assert access.actor_of(control, newest) == person


def test_only_a_persons_own_token_is_rotated(world: World) -> None:
    person = world.person("acme", "member")
    _, key = world.key("acme/lab")
    for secret in (_session(world, person), _token(world, world.person("acme", "member")), key, ""):
        before = world.dump()
        with pytest.raises(InvalidInput):
            persons.rotate(world.control, person, secret, 0)
        assert world.changed(before) == set()


def test_a_name_that_is_added_twice_is_two_people(world: World) -> None:
    body = UserBody(name="Ada", role="member", tenant="acme")
    first, _ = access.add_user(world.control, world.operator, body)
    second, _ = access.add_user(world.control, world.operator, body)
    persons.disable(world.control, world.operator, first.id)
    assert not persons.credentials(world.control, world.operator, second.id).user.disabled
