"""Time passes over a snapshot: runs end, limits and holds come and go, the scheduler decides.

Work is counted in milliseconds at full speed. A run under a power cap is taken to be slower by the same
part, which is what the tiers promise at most. Power is that of what runs, at full load less its cap, PUE
included; between two instants nothing changes, so energy and carbon are summed exactly. It must never
decide anything itself: every start, stop and cap is the product's plan.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from bruk.model.plan import Plan
from bruk.model.run import DeviceSet, Run
from bruk.model.site import NodeHealth, PowerLimit
from bruk.model.snapshot import Pending, RunFacts, SiteState, Snapshot
from bruk.model.switch import Hold, HoldScope
from bruk.model.workload import Resources, WorkloadKind
from bruk.scheduler import (
    HoldRaised,
    HoldReleased,
    PendingAdded,
    PendingRemoved,
    RunAdded,
    RunEnded,
    SiteChanged,
    State,
)
from bruk.twin.whatif.events import Lost, PowerChanged, SwitchedOff, WhatIf

HOUR_MS, MINUTE_MS = 3_600_000, 60_000
# Plans at one instant: what is stopped makes room for what is started at once.
PLANS_MAX = 20

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Happened:
    """One line of the story.

    Attributes:
        what: ``starts``, ``ends``, ``is stopped``, ``dies``, ``is capped``, or an event in words.
    """

    at_ms: int
    what: str
    workload: str = ""
    project: str = ""
    site: str = ""
    detail: str = ""


@dataclass(slots=True)
class Work:
    """A run in the making.

    Attributes:
        left_ms: work that is left, at full speed [ms]; None: a replica, which never ends.
        since_ms: when this was so [ms].
        kept_ms: work that was left at its last checkpoint [ms].
    """

    item: Pending
    run: Run
    facts: RunFacts
    left_ms: int | None
    since_ms: int
    kept_ms: int | None

    def ends_ms(self) -> int | None:
        """When it ends if nothing changes [ms]."""
        if self.left_ms is None:
            return None
        return self.since_ms + -(-self.left_ms * 100 // (100 - self.facts.power_cap_percent))

    def pass_to(self, now_ms: int) -> None:
        """Let it work up to this instant [ms]."""
        if self.left_ms is not None:
            done_ms = (now_ms - self.since_ms) * (100 - self.facts.power_cap_percent) // 100
            self.left_ms = max(0, self.left_ms - done_ms)
        self.since_ms = now_ms


@dataclass(slots=True)
class Story:
    """What happened, and what it took.

    Attributes:
        ended_ms: by workload, when its job ended [ms].
        energy_uj: by site, of what ran, PUE included [J * 1e-6].
        carbon: by site [mg * W * ms / kWh, thousandths]; see ``compare``.
        power_w: by site, power at each whole minute from the beginning [W].
        device_ms: by tenant.
    """

    lines: list[Happened] = field(default_factory=list)
    ended_ms: dict[str, int] = field(default_factory=dict)
    energy_uj: Counter[str] = field(default_factory=Counter)
    carbon: Counter[str] = field(default_factory=Counter)
    power_w: dict[str, list[int]] = field(default_factory=dict)
    device_ms: Counter[str] = field(default_factory=Counter)


class Play:
    """One passing of time over a snapshot."""

    def __init__(self, snapshot: Snapshot, events: Sequence[WhatIf], until_ms: int) -> None:
        self._begin_ms = self.now_ms = snapshot.now_ms
        self._until_ms = until_ms
        self._events = events
        self._state = State.load(snapshot)
        self._sites = {state.site.name: state for state in snapshot.sites}
        self._device_power_w = snapshot.device_power_w
        self._work: dict[str, Work] = {}
        self._items = {item.id: item for item in snapshot.pending}
        self._holds = list(snapshot.holds)
        self._attempts = 0
        self.story = Story(power_w={name: [] for name in self._sites})
        for run in snapshot.runs:
            if not run.ended:
                self._adopt(run, snapshot.run_facts.get(run.id))

    def _adopt(self, run: Run, facts: RunFacts | None) -> None:
        facts = facts or RunFacts(preemptible=False)
        left_ms = None if facts.ends_by_ms is None else max(0, facts.ends_by_ms - self.now_ms)
        done_ms = self.now_ms - (run.started_at_ms or run.created_at_ms)
        lost_ms = self.now_ms - facts.kept_until_ms if facts.kept_until_ms is not None else done_ms
        resources = Resources(
            max(len(run.placement), 1),
            max((len(part.devices) for part in run.placement), default=1),
            (run.accelerator,),
            facts.cpu_milli,
            facts.memory_bytes,
            facts.device_milli,
        )
        kind = WorkloadKind.JOB if left_ms is not None else WorkloadKind.ENDPOINT
        item = Pending(
            run.workload if kind is WorkloadKind.JOB else f"{run.workload}#{run.id}",
            run.workload,
            kind,
            run.project,
            facts.priority,
            run.created_at_ms,
            resources,
            model=facts.model,
            time_limit_ms=left_ms or 0,
            preemptible=facts.preemptible,
            preferred_site=run.site,
        )
        kept_ms = None if left_ms is None else left_ms + max(0, lost_ms)
        self._work[run.id] = Work(item, run, facts, left_ms, self.now_ms, kept_ms)

    def run(self, progress: Progress | None = None) -> Story:
        """Let time pass until the end."""
        self._happen(self.now_ms)
        self._decide()
        while (next_ms := self._next_ms()) <= self._until_ms:
            self._account(next_ms)
            self.now_ms = next_ms
            self._end()
            self._happen(next_ms)
            self._decide()
            if progress is not None:
                progress(next_ms - self._begin_ms, self._until_ms - self._begin_ms)
        self._account(self._until_ms)
        return self.story

    def _next_ms(self) -> int:
        """The next instant at which something may change [ms]."""
        moments = [(self.now_ms // HOUR_MS + 1) * HOUR_MS]  # Greener hours, ageing, forecasts.
        moments += [end_ms for work in self._work.values() if (end_ms := work.ends_ms()) is not None]
        for event in self._events:
            moments += [event.from_ms] + ([event.until_ms] if event.until_ms is not None else [])
        for state in self._sites.values():
            for limit in state.site.power_limits:
                moments += [limit.from_ms] + ([limit.until_ms] if limit.until_ms is not None else [])
        moments += [item.not_before_ms for item in self._items.values()]
        return min(moment for moment in moments if moment > self.now_ms)

    def _happen(self, now_ms: int) -> None:
        for event in self._events:
            if event.from_ms == now_ms or (event.from_ms < now_ms == self._begin_ms):
                self._begin(event)
            if event.until_ms == now_ms:
                self._stop(event)

    def _begin(self, event: WhatIf) -> None:
        match event:
            case PowerChanged(site, watts, percent, from_ms, until_ms):
                state = self._sites[site]
                if watts is None:
                    base_w = state.site.power_limit_w(self.now_ms)
                    base_w = base_w if base_w is not None else self._drawn_w(site)
                    watts = base_w * (100 - percent) // 100
                limits = (*state.site.power_limits, PowerLimit(watts, from_ms, until_ms))
                self._set_site(replace(state, site=replace(state.site, power_limits=limits)))
                self._say(f"may draw {watts} W", site=site)
            case SwitchedOff(scope, target):
                hold = Hold(f"what_if_{scope.value}_{target}", scope, target, 0, "", self.now_ms)
                self._holds.append(hold)
                self._state.apply(HoldRaised(hold))
                self._say("is switched off", site=target if scope is HoldScope.SITE else "", detail=target)
                for work in self._sorted():
                    if hold.covers(work.run.site, work.run.tenant, work.item.model):
                        self._back(work, "is stopped", "its switch is off", loses=False)
            case Lost(site, node):
                self._health(site, node, NodeHealth.LOST)
                self._say("is lost", site=site, detail=node or "all nodes")
                for work in self._sorted():
                    names = {part.node for part in work.run.placement}
                    if work.run.site == site and (not node or node in names):
                        self._back(work, "dies", f"with {node or 'the nodes'}", loses=True)

    def _stop(self, event: WhatIf) -> None:
        match event:
            case PowerChanged(site):
                self._say("may draw what it could before", site=site)
            case SwitchedOff(scope, target):
                self._state.apply(HoldReleased(f"what_if_{scope.value}_{target}"))
                self._say("is switched on", site=target if scope is HoldScope.SITE else "", detail=target)
            case Lost(site, node):
                self._health(site, node, NodeHealth.OK)
                self._say("is back", site=site, detail=node or "all nodes")

    def _health(self, site: str, node: str, health: NodeHealth) -> None:
        state = self._sites[site]
        nodes = tuple(
            replace(each, health=health) if not node or each.name == node else each for each in state.nodes
        )
        self._set_site(replace(state, nodes=nodes))

    def _set_site(self, state: SiteState) -> None:
        self._sites[state.site.name] = state
        self._state.apply(SiteChanged(state))

    def _sorted(self) -> list[Work]:
        return [self._work[run] for run in sorted(self._work)]

    def _end(self) -> None:
        for work in self._sorted():
            if (end_ms := work.ends_ms()) is not None and end_ms <= self.now_ms:
                self._gone(work)
                self.story.ended_ms[work.item.workload] = self.now_ms
                self._line("ends", work)

    def _gone(self, work: Work) -> None:
        del self._work[work.run.id]
        self._state.apply(RunEnded(work.run.id))

    def _back(self, work: Work, what: str, why: str, loses: bool) -> None:
        """A run is over before its work is done: what is left waits again."""
        work.pass_to(self.now_ms)
        self._gone(work)
        self._line(what, work, why)
        left_ms = work.kept_ms if loses else work.left_ms
        limit_ms = work.item.time_limit_ms if left_ms is None else left_ms
        item = replace(work.item, time_limit_ms=limit_ms, preferred_site=work.run.site)
        self._items[item.id] = item
        self._state.apply(PendingAdded(item))

    def _decide(self) -> None:
        for _ in range(PLANS_MAX):
            plan = self._state.decide(self.now_ms)
            self._carry_out(plan)
            if not plan.placements and not plan.evictions:
                return

    def _carry_out(self, plan: Plan) -> None:
        for eviction in plan.evictions:
            self._back(self._work[eviction.run], "is stopped", eviction.detail, loses=False)
        for cap in plan.caps:
            if cap.run in self._work:
                work = self._work[cap.run]
                work.pass_to(self.now_ms)
                work.facts = replace(work.facts, power_cap_percent=cap.percent)
                work.facts = replace(work.facts, ends_by_ms=work.ends_ms())
                self._state.apply(RunAdded(work.run, work.facts))
                self._line("is capped", work, f"by {cap.percent} %")
        for placement in plan.placements:
            item = self._items.pop(placement.pending)
            self._state.apply(PendingRemoved(item.id))
            self._start(item, placement.site, placement.devices, placement.accelerator)

    def _start(self, item: Pending, site: str, devices: tuple[DeviceSet, ...], accelerator: str) -> None:
        self._attempts += 1
        run = Run(
            f"what_if_{self._attempts:06d}",
            item.workload,
            item.project,
            site,
            1,
            devices,
            accelerator,
            self.now_ms,
            started_at_ms=self.now_ms,
        )
        ends = item.kind is WorkloadKind.JOB
        facts = RunFacts(
            item.priority,
            item.preemptible,
            item.model,
            item.resources.cpu_milli,
            item.resources.memory_bytes,
            self.now_ms + item.time_limit_ms if ends else None,
            item.resources.device_milli,
        )
        left_ms = item.time_limit_ms if ends else None
        self._work[run.id] = Work(item, run, facts, left_ms, self.now_ms, left_ms)
        self._state.apply(RunAdded(run, facts))
        self._line("starts", self._work[run.id])

    def _power_uw(self, work: Work) -> int:
        state = self._sites.get(work.run.site)
        pue_milli = state.site.pue_milli if state is not None else 1000
        device_w = self._device_power_w.get(work.run.accelerator, 0)
        full = work.run.devices_total * work.facts.device_milli * device_w * pue_milli
        return full * (100 - work.facts.power_cap_percent) // 100

    def _drawn_w(self, site: str) -> int:
        drawn_uw = sum(self._power_uw(work) for work in self._work.values() if work.run.site == site)
        return -(-drawn_uw // 1_000_000)

    def _account(self, until_ms: int) -> None:
        """What is used from now until then, while nothing changes."""
        span_ms = until_ms - self.now_ms
        drawn_uw: Counter[str] = Counter()
        for work in self._work.values():
            drawn_uw[work.run.site] += self._power_uw(work)
            self.story.device_ms[work.run.tenant] += work.run.devices_total * span_ms
        for name, state in self._sites.items():
            self.story.energy_uj[name] += drawn_uw[name] * span_ms // 1000
            self.story.carbon[name] += drawn_uw[name] * _intensity(state, self.now_ms, until_ms)
            minutes = self.story.power_w[name]
            # Every minute up to then, the first at the beginning.
            missing = (until_ms - self._begin_ms) // MINUTE_MS - len(minutes)
            minutes += [-(-drawn_uw[name] // 1_000_000)] * max(0, missing)

    def _say(self, what: str, site: str = "", detail: str = "") -> None:
        self.story.lines.append(Happened(self.now_ms, what, site=site, detail=detail))

    def _line(self, what: str, work: Work, detail: str = "") -> None:
        run = work.run
        self.story.lines.append(Happened(self.now_ms, what, run.workload, run.project, run.site, detail))


def _intensity(state: SiteState, from_ms: int, until_ms: int) -> int:
    """Carbon intensity summed over a time [mgCO2e/kWh * ms]; beyond the forecast the mean of it."""
    values, total = state.carbon_mg_per_kwh, 0
    if not values:
        return 0
    while from_ms < until_ms:
        hour = (from_ms - state.carbon_from_ms) // HOUR_MS
        next_ms = min(until_ms, state.carbon_from_ms + (hour + 1) * HOUR_MS)
        value = values[hour] if 0 <= hour < len(values) else sum(values) // len(values)
        total += value * (next_ms - from_ms)
        from_ms = next_ms
    return total
