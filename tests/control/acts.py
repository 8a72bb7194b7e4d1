"""What a life of a cloud is made of: acts, each of which its caller repeats when control dies in it.

People's commands go through the door's ``Once`` with an Idempotency-Key; where its answer is lost they
look. Agents and gateways say again what nobody has acknowledged. Each act writes, or moves the outside
world (the clock, a meter, a request served), never both: what is outside does not happen again. Look next
at ``life``.
"""

import json
from collections.abc import Callable, Iterable
from typing import Any, cast

from fastapi import Request

from bruk.api.door import AnswerLost, Once
from bruk.control import (
    access,
    data,
    jobs,
    models,
    prices,
    sites,
    switch,
)
from bruk.control.logs import Stream
from bruk.control.step import step
from bruk.model.artifact import ArtifactKind
from bruk.model.errors import Conflict, Forbidden, NotFound, Unauthenticated
from bruk.model.run import Observed, Run, RunWanted
from bruk.model.switch import HoldScope
from bruk.model.workload import Outcome, Workload
from bruk.store import goods, people, work
from bruk.wire import codec
from bruk.wire.agent import MeterRecord, OutputReport
from bruk.wire.gateway import UsageRecord
from bruk.wire.requests import (
    JobBody,
    KeyBody,
    PriceBody,
    SiteBody,
    UserBody,
)

from .world import Gateway, Site, World

RECORD = b'{"bits_per_byte": 1.5, "gzip_bits_per_byte": 2.0}'
Act = Callable[["Life"], object]
# Commands that a caller may simply repeat: they say how something is to be, so the audit may hold both.
REPEATED = {
    *("tenant.change", "project.change", "budget.set", "site.change", "site.token", "node.drain"),
    *("node.undrain", "key.change", "gate.set", "endpoint.scale", "endpoint.remove", "workload.cancel"),
    *("gateway.add", "user.login", "user.logout", "user.first_operator", "model.retire", "data.remove"),
    *("data.put", "user.disable", "user.enable", "user.login_link", "user.end_credentials", "key.rotate"),
    *("gateway.token", "site.power", "access.demand", "token.rotate", "secret.set"),
}


class _Asked:
    """As much of a request as the door reads."""

    def __init__(self, path: str) -> None:
        self.method = "POST"
        self.url = type("Url", (), {"path": path})()


class Life:
    """The world of one life and what its callers remember."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.secret = ""
        self.login = ""
        self.receipts: list[str] = []

    def once(self, name: str, body: Any, make: Callable[[], Any]) -> Any:
        """A command with its Idempotency-Key; None if it was done and its answer is lost."""
        request = cast(Request, _Asked(f"/{name.split(' ')[0]}"))
        door = Once(request, self.world.control, self.world.operator, f"key of {name}")
        try:
            return json.loads(bytes(door(body, make).body))
        except AnswerLost:
            return None

    def workload(self, name: str) -> Workload:
        with self.world.control.read() as connection:
            (found,) = [item for item in work.workloads(connection) if item.name == name]
        return found

    def run(self, name: str) -> Run:
        return self.world.run_of(self.workload(name))

    def site_of(self, name: str) -> Site:
        return self.world.sites[self.run(name).site]


def site(name: str, country: str, zone: str) -> Act:
    def act(life: Life) -> None:
        body = SiteBody(name=name, country=country, grid_zone=zone, operator="Bruk AB")
        world = life.world
        life.once(
            f"sites {name}", body, lambda: codec.dump(sites.add_site(world.control, world.operator, body)[0])
        )
        world.sites.setdefault(name, Site(world, name))

    return act


def command(name: str, body: Any, make: Callable[..., Any]) -> Act:
    """A command that is carried out once."""

    def act(life: Life) -> object:
        world = life.world
        return life.once(name, body, lambda: codec.dump(make(world.control, world.operator, body)))

    return act


def person(role: str, tenant: str) -> Act:
    body = UserBody(name=f"{role} of {tenant}", role=role, tenant=tenant)  # type: ignore[arg-type]

    def make(life: Life) -> Any:
        user, life.login = access.add_user(life.world.control, life.world.operator, body)
        return codec.dump(user)

    return lambda life: life.once(f"people {role}", body, lambda: make(life))


def key(life: Life) -> None:
    def make() -> Any:
        control, operator = life.world.control, life.world.operator
        return codec.dump(access.create_key(control, operator, "acme/lab", KeyBody(name="k"))[0])

    life.once("keys", {"project": "acme/lab"}, make)


def gateway(life: Life) -> None:
    """As the machine does at its start: a name known already gets a fresh token."""
    sites.add_gateway(life.world.control, life.world.operator, "gw", "essonne")
    life.world.gateways.setdefault("gw", Gateway(life.world, "gw", "essonne"))


def log_in(life: Life) -> None:
    try:
        life.secret = access.log_in(life.world.control, life.login or "none")[1]
    except Unauthenticated:
        # The link was used and its answer lost, or was never seen: a person asks for another.
        life.login = access.first_operator(life.world.control)[1]
        life.secret = access.log_in(life.world.control, life.login)[1]


def refused(life: Life) -> None:
    """Somebody tries what only operators may."""
    with life.world.control.read() as connection:
        user = next(item for item in people.users(connection) if item.tenant == "acme")
    try:
        switch.off(
            life.world.control, access.Actor("user", user.id, user.role, "acme"), HoldScope.PLATFORM, "*", ""
        )
    except Forbidden:
        return
    raise AssertionError("a member turned the switch")


def job(name: str, project: str = "acme/lab", priority: int = 50, **spec: Any) -> Act:
    content = {"command": ["run"], "time_limit_s": 3600, "retry_limit": 1, **spec}
    body = JobBody.model_validate({"project": project, "name": name, "priority": priority, "spec": content})
    return command(f"jobs {name}", body, jobs.submit)


def steps(life: Life) -> None:
    for _ in range(20):
        if not step(life.world.control):
            return
    raise AssertionError("control never comes to rest")


def sync(life: Life) -> None:
    for each in life.world.sites.values():
        each.sync()


def starts(*names: str) -> Act:
    """The agents have launched these, once each, and say so."""

    def act(life: Life) -> None:
        for name in names:
            run = life.run(name)
            where = life.world.sites[run.site]
            where.sync()
            assert run.wanted is RunWanted.START
            where.start(run.id, address="http://127.0.0.1:1", ready=True)

    return act


def ends(name: str, exit_code: int, outputs: dict[str, bytes], **more: Any) -> Act:
    """The run ends; its log and outputs reach control, then the word of its end."""

    def act(life: Life) -> None:
        run = life.run(name)
        if life.workload(name).outcome is not Outcome.OPEN or run.ended:
            life.site_of(name).sync()
            return
        life.world.control.logs.append(run.id, Stream.LOG, 0, b"what it said")
        reports: Iterable[OutputReport] = [life.world.blob(value, item) for item, value in outputs.items()]
        life.world.sites[run.site].end(run.id, exit_code, reports, **more)

    return act


def meters(*names: str) -> Act:
    """Time goes by, and agents write it into their journals; nothing is said yet."""

    def act(life: Life) -> None:
        life.world.clock.advance(60_000)
        for name in names:
            run = life.run(name)
            now_ms = life.world.clock.now_ms()
            record: MeterRecord = life.world.sites[run.site].meter(run.id, now_ms - 60_000, now_ms, 60_000)
            assert record.seq

    return act


def uses(life: Life) -> None:
    record: UsageRecord = life.world.gateways["gw"].use("acme/lab", 11, 22)
    assert record.seq


def gateway_sync(life: Life) -> None:
    life.world.gateways["gw"].sync()


def waits(ms: int) -> Act:
    return lambda life: life.world.clock.advance(ms)


def turns(way: str, scope: HoldScope, target: str) -> Act:
    def act(life: Life) -> None:
        control, operator = life.world.control, life.world.operator

        def make() -> Any:
            if way == "off":
                return switch.off(control, operator, scope, target, "maintenance")[1]
            return switch.on(control, operator, scope, target)[1]

        life.once(f"switch/{way} {scope} {target}", {"scope": scope.value, "target": target}, make)

    return act


def stopped(life: Life) -> None:
    """What is told to stop has stopped, at every site."""
    for each in life.world.sites.values():
        each.sync()
        for order in list(each.orders.values()):
            seen = each.seen.get(order.run)
            if order.wanted is RunWanted.STOP and (seen is None or seen.observed is not Observed.EXITED):
                each.end(order.run, 143, interrupted=True)
        each.sync()


def puts(life: Life) -> None:
    """An upload that is repeated if its answer never came, unless a look finds it."""
    with life.world.control.read() as connection:
        known = goods.artifacts(connection, tenant="acme", project="acme/lab")
    if not any(item.name == "texts" for item in known):
        data.put(life.world.control, life.world.operator, "acme/lab", "texts", ArtifactKind.FILE, [b"text"])


def removes(life: Life) -> None:
    with life.world.control.read() as connection:
        known = goods.artifacts(connection, tenant="acme", project="acme/lab")
    for item in known:
        if item.name == "texts":
            data.remove(life.world.control, life.world.operator, item.id)


def plain(act: Callable[[Any, Any], object]) -> Act:
    """A command that says how something is to be; it is simply repeated."""

    def done(life: Life) -> None:
        try:
            act(life.world.control, life.world.operator)
        except (Conflict, NotFound) as error:
            raise AssertionError(f"a repeat was refused: {error}") from error

    return done


def retire(control: Any, operator: Any) -> None:
    if models.get(control, operator, "old").stage.value != "retired":
        models.retire(control, operator, "old")


def device_price(name: str, microeur: int) -> Act:
    body = PriceBody(resource=name, item="*", price_microeur=microeur)  # type: ignore[arg-type]
    return command(f"prices {name}", body, prices.set_price)


def cancel(life: Life) -> None:
    jobs.cancel(life.world.control, life.world.operator, life.workload("unwanted").id)
