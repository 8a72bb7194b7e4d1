"""A world lives its scenario: events in order of time, people, faults, turns of everyone, and checks.

After the scenario's day the weather clears, what was switched off is switched on, and the world goes on until
nothing is left to do. Everything happens in one thread and depends on the scenario alone.
"""

import heapq
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from bruk.control import endpoints
from bruk.model.errors import BrukError
from bruk.store import work
from bruk.twin.world import people
from bruk.twin.world.chance import Chance
from bruk.twin.world.cloud import ControlDown
from bruk.twin.world.faults import Faults
from bruk.twin.world.invariants import Watch
from bruk.twin.world.scenario import HOUR_MS, MINUTE_MS, MODEL, TENANTS, Act, Deed, Fault, Kind, Scenario
from bruk.twin.world.world import World, hours

TURN_MS = 20 * MINUTE_MS
AGAIN_MS = 5 * MINUTE_MS
# How long the world may take after its day until nothing is left to do.
CLEAR_MS_MAX = 72 * HOUR_MS
_LASTING = (Deed.OFF, Deed.LOCAL_OFF, Deed.DRAIN, Deed.NARROW, Deed.BUDGET)
_KILLS = (Kind.CONTROL_KILLED, Kind.AGENT_KILLED, Kind.GATEWAY_KILLED, Kind.REBOOT)


@dataclass(frozen=True, slots=True)
class Ending:
    """What became of a seed.

    Attributes:
        broken: the first invariant that did not hold, in words; empty if all did.
        at: when that was, since the beginning, and at which event.
        fired: faults that something really met, by kind.
        lived_ms: virtual time that passed [ms].
        outcomes: how workloads ended, by outcome.
    """

    seed: int
    broken: str
    at: str
    fired: Counter[Kind]
    lived_ms: int
    workloads: int
    runs: int
    calls: int
    outcomes: Counter[str]


@dataclass(order=True)
class _Event:
    at_ms: int
    order: int
    what: str = field(compare=False)
    act: Callable[[], None] = field(compare=False)


class Broken(Exception):
    """An invariant does not hold."""


class Life:
    """Lets a world live."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.faults = Faults(world)
        self.watch = Watch(world)
        self._events: list[_Event] = []
        self._count = 0
        self._chance = Chance(world.scenario.seed, "calls")
        self._undone: list[Act] = []
        self._clear = False
        self._at = "the beginning"

    def run(self) -> Ending:
        """Live until nothing is left to do, or an invariant breaks."""
        broken = ""
        try:
            self._plan()
            self._live(self.world.scenario.day_ms)
            self._let_clear()
            self._until_done()
            self._check(self.watch.final())
        except Broken as finding:
            broken = str(finding)
        return self._ending(broken)

    def _plan(self) -> None:
        scenario = self.world.scenario
        for item in scenario.work:
            self._at_ms(item.at_ms, f"submit {item.number}", partial(people.submit, self.world, item))
        for act in scenario.acts:
            self._at_ms(act.at_ms, f"{act.deed} {act.target}", partial(self._do, act))
        for fault in scenario.faults:
            self._at_ms(fault.at_ms, f"fault {fault.kind}", partial(self.faults.strike, fault))
            ends_ms = fault.at_ms + fault.lasts_ms
            self._at_ms(ends_ms, f"end of {fault.kind}", partial(self._end, fault))
        for index, site in enumerate(self.world.sites):
            self._at_ms(index * MINUTE_MS, f"turn of {site}", partial(self._turn, site))
        for index, site in enumerate(self.world.gateways):
            at_ms = (index + 4) * MINUTE_MS
            self._at_ms(at_ms, f"turn of the gateway at {site}", partial(self._serve, site))

    def _at_ms(self, at_ms: int, what: str, act: Callable[[], None]) -> None:
        self._count += 1
        heapq.heappush(self._events, _Event(at_ms, self._count, what, act))

    def _live(self, until_ms: int) -> None:
        """Everything that is due by then."""
        while self._events and self._events[0].at_ms <= until_ms:
            event = heapq.heappop(self._events)
            self.world.clock.advance(max(0, event.at_ms - self.world.elapsed_ms()))
            self._at = event.what
            self._asked(event)
            self._check(self.watch.now())

    def _asked(self, event: _Event) -> None:
        """Let it happen; who finds control away tries again, and a *no* is an answer."""
        try:
            event.act()
        except ControlDown:
            self._at_ms(self.world.elapsed_ms() + AGAIN_MS, event.what, event.act)
        except BrukError as error:
            if not people.is_answer(error):
                raise Broken(f"somebody was told {error.code}: {error.message}") from error
            if error.code.startswith("store_"):
                self._at_ms(self.world.elapsed_ms() + AGAIN_MS, event.what, event.act)

    def _do(self, act: Act) -> None:
        people.do(self.world, act)
        if act.deed in _LASTING:
            self._undone.append(act)
            again = self.world.elapsed_ms() + act.lasts_ms
            self._at_ms(again, f"undo {act.deed} {act.target}", partial(self._undo, act))

    def _undo(self, act: Act) -> None:
        if act in self._undone:
            people.undo(self.world, act)
            self._undone.remove(act)

    def _end(self, fault: Fault) -> None:
        if fault in self.faults.lasting:
            self.faults.end(fault)
        self._revive()

    def _revive(self) -> None:
        """What was killed is started again, as whoever keeps processes would do."""
        lasting = {fault.kind for fault in self.faults.lasting}
        if Kind.CONTROL_KILLED not in lasting:
            self.world.cloud.boot()
        for site in self.world.sites.values():
            killed = any(
                fault.site == site.name and fault.kind in (Kind.AGENT_KILLED, Kind.REBOOT)
                for fault in self.faults.lasting
            )
            if not killed:
                site.start()
        for place, gateway in self.world.gateways.items():
            if not any(
                fault.site == place and fault.kind is Kind.GATEWAY_KILLED for fault in self.faults.lasting
            ):
                gateway.start()

    def _turn(self, name: str) -> None:
        site = self.world.sites[name]
        site.turn()
        if self.world.cloud.turn():
            site.turn()
        self._revive()
        self._at_ms(self.world.elapsed_ms() + TURN_MS, f"turn of {name}", partial(self._turn, name))

    def _serve(self, place: str) -> None:
        gateway = self.world.gateways[place]
        gateway.exchange()
        if not self._clear:
            for _ in range(self._chance.whole(0, 3)):
                secret = self.world.secrets[self._chance.pick(sorted(TENANTS))]
                gateway.call(secret, MODEL, self._chance.whole(60, 500), self._chance.whole(1, 300))
        gateway.exchange()
        self._revive()
        what = f"turn of the gateway at {place}"
        self._at_ms(self.world.elapsed_ms() + TURN_MS, what, partial(self._serve, place))

    def _let_clear(self) -> None:
        self._clear = True
        self.faults.end_all()
        self._revive()
        for act in list(self._undone):
            try:
                self._undo(act)
            except BrukError as error:
                if not people.is_answer(error):
                    raise Broken(f"undoing {act.deed} {act.target}: {error.message}") from error
        self._at_ms(self.world.elapsed_ms(), "remove the endpoint", self._remove_endpoint)

    def _remove_endpoint(self) -> None:
        with self.world.cloud.database.read() as connection:
            if work.find_endpoint(connection, MODEL) is None:
                return
        self.world.cloud.ask(lambda control: endpoints.remove(control, self.world.operator, MODEL))

    def _until_done(self) -> None:
        end_ms = self.world.scenario.day_ms + CLEAR_MS_MAX
        while self.watch.busy() and self.world.elapsed_ms() < end_ms:
            self._live(self.world.elapsed_ms() + HOUR_MS)
        self._live(self.world.elapsed_ms() + HOUR_MS)

    def _check(self, findings: list[str]) -> None:
        if findings:
            raise Broken(findings[0])

    def _ending(self, broken: str) -> Ending:
        world = self.world
        with world.cloud.database.read() as connection:
            found = work.workloads(connection, limit=100_000)
        return Ending(
            world.scenario.seed,
            broken,
            f"{hours(world.elapsed_ms())}, {self._at}" if broken else "",
            self.faults.fired(),
            world.elapsed_ms(),
            len(found),
            sum(1 for _ in world.lives()),
            sum(len(gateway.calls) for gateway in world.gateways.values()),
            Counter(item.outcome.value for item in found),
        )


def live(scenario: Scenario, home: Path, template_file: Path) -> Ending:
    """Let the world of a scenario live, in an empty folder of its own."""
    world = World(scenario, home, template_file)
    try:
        return Life(world).run()
    finally:
        world.close()
