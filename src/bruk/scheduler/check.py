"""Refuses any plan that breaks a rule, whoever made it.

It counts everything anew from the snapshot, with none of the scheduler's own code, so that a defect
there does not excuse itself here. It must never import another module of this room. Production runs
it before a plan is applied, tests and the twin run it on every plan.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from bruk.model.egress import uncovered
from bruk.model.plan import Placement, Plan
from bruk.model.run import DeviceSet, Run, RunWanted
from bruk.model.site import Isolation, Node, NodeHealth
from bruk.model.snapshot import Account, Pending, RunFacts, SiteState, Snapshot

# Runs may be stopped only for work of at least this much higher priority; stated in `preempt` as well.
_PREEMPT_BAND = 25
_MS_PER_HOUR = 3_600_000
_WHOLE_MILLI = 1000
_UW_PER_W = 1_000_000


@dataclass(frozen=True, slots=True)
class Violation:
    """One rule that a plan breaks.

    Attributes:
        rule: stable, lower case with underscores.
        subject: the pending item or the run that it is about.
        detail: what is wrong, in a sentence.
    """

    rule: str
    subject: str
    detail: str


def check(snapshot: Snapshot, plan: Plan) -> list[Violation]:
    """Every rule that the plan breaks on this snapshot; an empty list when it may be applied."""
    return [
        *_answers(snapshot, plan),
        *_places(snapshot, plan),
        *_rights(snapshot, plan),
        *_shared_sites(snapshot, plan),
        *_devices(snapshot, plan),
        *_quotas(snapshot, plan),
        *_money(snapshot, plan),
        *_evictions(snapshot, plan),
        *_power(snapshot, plan),
    ]


def _answers(snapshot: Snapshot, plan: Plan) -> Iterator[Violation]:
    """Every pending item is answered exactly once, and every answer is about one."""
    pending = {item.id: item for item in snapshot.pending}
    answers = [(placement.pending, placement.workload) for placement in plan.placements]
    answers += [(waiting.pending, waiting.workload) for waiting in plan.waiting]
    for subject, workload in answers:
        if subject not in pending:
            yield Violation("unknown_pending", subject, "The snapshot has no such pending item.")
        elif pending[subject].workload != workload:
            yield Violation(
                "wrong_workload", subject, f"It belongs to {pending[subject].workload}, not {workload}."
            )
    times = Counter(subject for subject, _ in answers)
    for subject in sorted(pending.keys() | times.keys()):
        if times[subject] == 0:
            yield Violation("unanswered", subject, "It is neither placed nor told why it waits.")
        elif times[subject] > 1:
            yield Violation("answered_twice", subject, f"It is answered {times[subject]} times.")
    names = {state.site.name for state in snapshot.sites}
    looked_at: dict[int, list[str]] = {}
    for waiting in plan.waiting:
        reason = waiting.reason
        if not reason.summary or not reason.advice:
            yield Violation("no_reason", waiting.pending, "It waits without a summary or without advice.")
        if id(reason) not in looked_at:  # Many share one reason.
            looked_at[id(reason)] = sorted(names - {site.site for site in reason.sites})
        if silent := looked_at[id(reason)]:
            yield Violation("site_unexplained", waiting.pending, f"Nothing is said of {', '.join(silent)}.")
    if plan.now_ms != snapshot.now_ms:
        yield Violation(
            "other_instant", "plan", f"It is of {plan.now_ms}, the snapshot of {snapshot.now_ms}."
        )


def _known(snapshot: Snapshot, plan: Plan) -> Iterator[tuple[Placement, Pending]]:
    pending = {item.id: item for item in snapshot.pending}
    for placement in plan.placements:
        if placement.pending in pending:
            yield placement, pending[placement.pending]


def _places(snapshot: Snapshot, plan: Plan) -> Iterator[Violation]:
    """Gangs are whole, on known, healthy nodes of the accelerator that was asked for."""
    nodes = _nodes(snapshot)
    for placement, item in _known(snapshot, plan):
        resources = item.resources
        if resources.accelerators and placement.accelerator not in resources.accelerators:
            yield Violation("accelerator", item.id, f"It did not ask for {placement.accelerator}.")
        names = [part.node for part in placement.devices]
        if len(names) != resources.nodes or len(set(names)) != len(names):
            yield Violation("gang_broken", item.id, f"It needs {resources.nodes} nodes and got {names}.")
        for part in placement.devices:
            if len(part.devices) != resources.devices or list(part.devices) != sorted(set(part.devices)):
                yield Violation(
                    "gang_broken",
                    item.id,
                    f"It needs {resources.devices} devices of {part.node} and got {list(part.devices)}.",
                )
            node = nodes.get((placement.site, part.node))
            if node is None:
                yield Violation("unknown_node", item.id, f"There is no node {part.node} at {placement.site}.")
                continue
            if node.accelerator != placement.accelerator:
                yield Violation("accelerator", item.id, f"{part.node} has {node.accelerator}.")
            if node.health is not NodeHealth.OK or node.drained:
                yield Violation("node_health", item.id, f"{part.node} is drained or {node.health.value}.")
            if any(not 0 <= device < node.devices for device in part.devices):
                yield Violation("unknown_device", item.id, f"{part.node} has {node.devices} devices.")


def _rights(snapshot: Snapshot, plan: Plan) -> Iterator[Violation]:
    """Law, choice of sites, holds, connection, back-off and inputs."""
    sites = {state.site.name: state for state in snapshot.sites}
    accounts = _accounts(snapshot)
    for placement, item in _known(snapshot, plan):
        account = accounts.get(item.project)
        state = sites.get(placement.site)
        if account is None:
            yield Violation("unknown_project", item.id, f"Project {item.project} has no account.")
        if state is None:
            yield Violation("unknown_site", item.id, f"There is no site {placement.site}.")
        if account is None or state is None:
            continue
        site = state.site
        for rules in (account.residency, account.tenant.residency, account.project.residency):
            rule = rules.refusal(site.country, site.operator, site.name)
            if rule is not None:
                yield Violation("residency", item.id, f"{site.name} is not allowed: {rule}.")
                break
        if item.sites and site.name not in item.sites:
            yield Violation("site_choice", item.id, f"It did not ask for {site.name}.")
        for hold in snapshot.holds:
            if hold.released_at_ms is None and hold.covers(site.name, account.tenant.name, item.model):
                yield Violation("held", item.id, f"Hold {hold.id} stands over it at {site.name}.")
        if not state.connected:
            yield Violation("site_away", item.id, f"The agent of {site.name} does not answer.")
        if item.network and (
            site.isolation is not Isolation.SANDBOX or uncovered(site.network, item.network)
        ):
            yield Violation("network", item.id, f"{site.name} does not let it reach what it declares.")
        if item.not_before_ms > snapshot.now_ms:
            yield Violation("backoff", item.id, f"It may not start before {item.not_before_ms}.")
        if item.inputs_missing:
            yield Violation("inputs", item.id, f"Inputs are missing: {', '.join(item.inputs_missing)}.")


def _shared_sites(snapshot: Snapshot, plan: Plan) -> Iterator[Violation]:
    """No new work brings a second tenant to a site that cannot keep two apart."""
    there: dict[str, set[str]] = {}
    for run in snapshot.runs:
        if not run.ended:
            there.setdefault(run.site, set()).add(run.tenant)
    sites = {state.site.name: state.site for state in snapshot.sites}
    for placement, item in _known(snapshot, plan):
        tenants = there.setdefault(placement.site, set())
        tenant = item.project.split("/", 1)[0]
        site = sites.get(placement.site)
        unkept = site is not None and site.isolation is Isolation.NONE and not site.isolation_accepted
        if unkept and tenants - {tenant}:
            yield Violation(
                "isolation", item.id, f"{placement.site} already runs {', '.join(sorted(tenants))}."
            )
        tenants.add(tenant)


def _devices(snapshot: Snapshot, plan: Plan) -> Iterator[Violation]:
    """No device twice, and no more cores or memory than a node has."""
    nodes = _nodes(snapshot)
    held_milli: Counter[tuple[str, str, int]] = Counter()
    cpu_milli: Counter[tuple[str, str]] = Counter()
    memory_bytes: Counter[tuple[str, str]] = Counter()

    def take(site: str, part: DeviceSet, device_milli: int, asked_cpu: int, asked_memory: int) -> None:
        place = (site, part.node)
        node = nodes.get(place)
        share_milli = len(part.devices) * device_milli
        if node is not None and node.devices:
            total_milli = node.devices * _WHOLE_MILLI
            cpu_milli[place] += asked_cpu or node.cpu_milli * share_milli // total_milli
            memory_bytes[place] += asked_memory or node.memory_bytes * share_milli // total_milli
        for device in part.devices:
            held_milli[*place, device] += device_milli

    for run in snapshot.runs:
        if not run.ended:
            facts = snapshot.run_facts.get(run.id, RunFacts())
            for part in run.placement:
                take(run.site, part, facts.device_milli, facts.cpu_milli, facts.memory_bytes)
    for placement, item in _known(snapshot, plan):
        asked = item.resources
        for part in placement.devices:
            place = (placement.site, part.node)
            take(placement.site, part, asked.device_milli, asked.cpu_milli, asked.memory_bytes)
            for device in part.devices:
                if held_milli[*place, device] > _WHOLE_MILLI:
                    yield Violation(
                        "device_twice", item.id, f"Device {device} of {part.node} is held by others."
                    )
            node = nodes.get(place)
            if node is not None and cpu_milli[place] > node.cpu_milli:
                yield Violation("cpu", item.id, f"{part.node} has {node.cpu_milli} thousandths of a core.")
            if node is not None and memory_bytes[place] > node.memory_bytes:
                yield Violation("memory", item.id, f"{part.node} has {node.memory_bytes} bytes of memory.")


def _quotas(snapshot: Snapshot, plan: Plan) -> Iterator[Violation]:
    """No project holds more devices than it may, with what it may borrow."""
    accounts = _accounts(snapshot)
    held = _held(snapshot)
    for placement, item in _known(snapshot, plan):
        held[item.project] += sum(len(part.devices) for part in placement.devices)
        account = accounts.get(item.project)
        if account is None:
            continue
        held[account.tenant.name] += sum(len(part.devices) for part in placement.devices)
        for name, owner in ((item.project, account.project), (account.tenant.name, account.tenant)):
            most = (owner.quota_devices or 0) + owner.borrow_devices
            if owner.quota_devices is not None and held[name] > most:
                yield Violation("quota", item.id, f"{name} would hold {held[name]} of {most}.")


def _held(snapshot: Snapshot) -> Counter[str]:
    """Devices that the unfinished runs of each project and of each tenant hold."""
    held: Counter[str] = Counter()
    for run in snapshot.runs:
        if not run.ended:
            held[run.project] += run.devices_total
            held[run.tenant] += run.devices_total
    return held


def _money(snapshot: Snapshot, plan: Plan) -> Iterator[Violation]:
    """Prices exist, and budgets and grants cover all that the plan gives."""
    accounts = _accounts(snapshot)
    # Costs are kept as micro-euro times the milliseconds of an hour, so that nothing is rounded.
    hourly_cost: Counter[str] = Counter()
    use_device_ms: Counter[str] = Counter()
    for placement, item in _known(snapshot, plan):
        account = accounts.get(item.project)
        price = snapshot.prices_microeur.get(placement.accelerator, snapshot.prices_microeur.get("*"))
        if price is None:
            yield Violation("price", item.id, f"{placement.accelerator} has no price.")
        if account is None or price is None:
            continue
        used_device_ms = _use_device_ms(item, placement)
        for key in (item.project, account.tenant.name):
            hourly_cost[key] += price * used_device_ms
            use_device_ms[key] += used_device_ms
    for project, account in sorted(accounts.items()):
        tenant = account.tenant
        left = account.budget_left_microeur
        if left is not None and hourly_cost[project] > max(left, 0) * _MS_PER_HOUR:
            yield Violation("budget", project, f"{left} micro-euro are left and the plan may cost more.")
        rests = [row.budget_left_microeur for row in accounts.values() if row.tenant.name == tenant.name]
        limits = [rest for rest in rests if rest is not None]
        if tenant.budget_microeur is not None and len(limits) == len(rests):
            # What is left of the tenant's budget is at least what is left for its best-off project.
            most = max(0, *limits)
            if hourly_cost[tenant.name] > most * _MS_PER_HOUR:
                yield Violation("budget", project, f"{tenant.name} has {most} micro-euro for all projects.")
        grant = account.grant_left_device_ms
        if grant is not None and use_device_ms[tenant.name] > max(grant, 0):
            yield Violation("grant", project, f"{tenant.name} has {grant} device-ms of its grant left.")


def _use_device_ms(item: Pending, placement: Placement) -> int:
    devices = sum(len(part.devices) for part in placement.devices)
    return -(-item.time_limit_ms * devices * item.resources.device_milli // _WHOLE_MILLI)


def _evictions(snapshot: Snapshot, plan: Plan) -> Iterator[Violation]:
    """Only preemptible runs are stopped, once, for what waits: far below it, or beyond their quota."""
    runs = {run.id: run for run in snapshot.runs if not run.ended}
    pending = {item.id: item for item in snapshot.pending}
    waiting = {row.pending for row in plan.waiting}
    held, accounts = _held(snapshot), _accounts(snapshot)
    for placement, started in _known(snapshot, plan):
        for name in (started.project, started.project.split("/", 1)[0]):
            held[name] += sum(len(part.devices) for part in placement.devices)
    for stopping in runs.values():
        if stopping.wanted is RunWanted.STOP:
            held[stopping.project] -= stopping.devices_total
            held[stopping.tenant] -= stopping.devices_total
    seen: set[str] = set()
    for eviction in plan.evictions:
        run = runs.get(eviction.run)
        facts = snapshot.run_facts.get(eviction.run)
        item = pending.get(eviction.for_pending)
        for_power = not eviction.for_pending
        if run is None:
            yield Violation("unknown_run", eviction.run, "There is no such unfinished run.")
            continue
        if eviction.run in seen or run.wanted is RunWanted.STOP:
            yield Violation("evicted_twice", eviction.run, "It is stopping already.")
        seen.add(eviction.run)
        if facts is None or not facts.preemptible:
            yield Violation("not_preemptible", eviction.run, "It may not be preempted.")
        if for_power:
            if _over_w(snapshot, run.site) <= 0:
                yield Violation("evicted_for_nothing", eviction.run, f"{run.site} is within its power limit.")
        elif item is None or item.id not in waiting:
            yield Violation("evicted_for_nothing", eviction.run, f"{eviction.for_pending} does not wait.")
        elif (
            facts is not None
            and item.priority - facts.priority < _PREEMPT_BAND
            and (item.priority < facts.priority or not _borrowed(run, item, accounts, held))
        ):
            yield Violation(
                "priority",
                eviction.run,
                f"{item.id} is not {_PREEMPT_BAND} points above its priority {facts.priority}, and without"
                " it its quota would not be used.",
            )
        held[run.project] -= run.devices_total
        held[run.tenant] -= run.devices_total


def _power(snapshot: Snapshot, plan: Plan) -> Iterator[Violation]:
    """Nothing starts above a site's power limit, and nothing is capped beyond what it gives."""
    started: Counter[str] = Counter()
    sites = {state.site.name: state.site for state in snapshot.sites}
    for placement, item in _known(snapshot, plan):
        asked = item.resources
        devices_milli = asked.devices_total * asked.device_milli
        device_w = snapshot.device_power_w.get(placement.accelerator, 0)
        site = sites.get(placement.site)
        if site is None:
            continue
        started[site.name] += devices_milli * device_w * site.pue_milli
        if (limit_w := site.power_limit_w(snapshot.now_ms)) is None:
            continue
        drawn_uw = _drawn_uw(snapshot, site.name) + started[site.name]
        if drawn_uw > limit_w * _UW_PER_W:
            yield Violation("power", item.id, f"{site.name} would draw {drawn_uw} uW of {limit_w} W.")
    runs = {run.id for run in snapshot.runs if not run.ended}
    for cap in plan.caps:
        facts = snapshot.run_facts.get(cap.run, RunFacts())
        if cap.run not in runs or not 0 <= cap.percent <= facts.flexibility_percent:
            yield Violation("cap", cap.run, f"It gives {facts.flexibility_percent} %, not {cap.percent} %.")


def _over_w(snapshot: Snapshot, site_name: str) -> int:
    """How far what runs at a site, without what is stopping, is above its power limit [W]."""
    for state in snapshot.sites:
        limit_w = state.site.power_limit_w(snapshot.now_ms)
        if state.site.name == site_name and limit_w is not None:
            return -(-_drawn_uw(snapshot, site_name, stopping=False) // _UW_PER_W) - limit_w
    return 0


def _drawn_uw(snapshot: Snapshot, site_name: str, stopping: bool = True) -> int:
    pue_milli = next(state.site.pue_milli for state in snapshot.sites if state.site.name == site_name)
    return sum(
        run.devices_total
        * snapshot.run_facts.get(run.id, RunFacts()).device_milli
        * snapshot.device_power_w.get(run.accelerator, 0)
        * pue_milli
        for run in snapshot.runs
        if run.site == site_name and not run.ended and (stopping or run.wanted is not RunWanted.STOP)
    )


def _borrowed(run: Run, item: Pending, accounts: dict[str, Account], held: Counter[str]) -> bool:
    """Whether without the run its project, or against another tenant its tenant, would use its quota."""
    account = accounts.get(run.project)
    if account is None or run.project == item.project:
        return False
    if run.tenant == item.project.split("/", 1)[0]:
        quota, name = account.project.quota_devices, run.project
    else:
        quota, name = account.tenant.quota_devices, run.tenant
    return quota is not None and held[name] - run.devices_total >= quota


def _nodes(snapshot: Snapshot) -> dict[tuple[str, str], Node]:
    states: tuple[SiteState, ...] = snapshot.sites
    return {(state.site.name, node.name): node for state in states for node in state.nodes}


def _accounts(snapshot: Snapshot) -> dict[str, Account]:
    return {account.project.id: account for account in snapshot.accounts}
