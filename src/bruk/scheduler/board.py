"""What the scheduler knows, and what the plan that is being made has given so far.

The first part lives from one plan to the next and is moved by events. The second begins empty with
each plan (``begin``) and is taken back at its end (``undo``), so that placements of one plan take each
other into account: devices, quota, budget, grant and isolation. It decides nothing. Look next at
`filters` and `decide`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from bruk.model.errors import BrukError
from bruk.model.ledger import PRICED_QUANTITY, Resource
from bruk.model.plan import Placement
from bruk.model.run import DeviceSet, Run, RunWanted
from bruk.model.site import Isolation
from bruk.model.snapshot import Account, Pending, RunFacts, SiteState
from bruk.model.switch import Hold
from bruk.model.workload import WorkloadKind
from bruk.scheduler.demand import Demands
from bruk.scheduler.holdings import Held, Holdings, dominant_milli
from bruk.scheduler.nodes import LASTING_TIER, NEVER_MS, STOPPING_TIER, Nodes
from bruk.scheduler.reserve import Reservations
from bruk.scheduler.scores import Scores


class SnapshotIncomplete(BrukError):
    """Something in the snapshot refers to what the snapshot does not contain."""

    code = "snapshot_incomplete"


@dataclass(slots=True)
class Board:
    """The world, and the plan so far.

    Attributes:
        law: rises with everything that the filters see and that is not a count of what is held.
        holdings: what runs and the plan hold.
        stopping: runs that are told to stop, or that this plan stops.
        unkept: sites where nothing keeps two tenants apart and nobody accepted that.
        budget_left_microeur, grant_left_device_ms: by project and by tenant; None: not limited.
    """

    prices_microeur: dict[str, int]
    placement: str
    device_power_w: dict[str, int] = field(default_factory=dict)
    sites: dict[str, SiteState] = field(default_factory=dict)
    accounts: dict[str, Account] = field(default_factory=dict)
    holds: dict[str, Hold] = field(default_factory=dict)
    runs: dict[str, Run] = field(default_factory=dict)
    facts: dict[str, RunFacts] = field(default_factory=dict)
    demands: Demands = field(default_factory=Demands)
    law: int = 0
    holdings: Holdings = field(default_factory=Holdings)
    stopping: set[str] = field(default_factory=set)
    now_ms: int = 0
    budget_left_microeur: dict[str, int | None] = field(default_factory=dict)
    grant_left_device_ms: dict[str, int] = field(default_factory=dict)
    nodes: Nodes = field(default_factory=lambda: Nodes(()))
    scores: Scores = field(init=False)
    reserved: Reservations = field(init=False)
    standing: tuple[Hold, ...] = ()
    unkept: frozenset[str] = frozenset()
    _started: list[str] = field(default_factory=list)
    _evicted: list[str] = field(default_factory=list)
    _shed: list[str] = field(default_factory=list)
    _nodes_known: bool = False

    # What lives from one plan to the next.

    def set_site(self, state: SiteState) -> None:
        """Add a site, or put it in place of what is known of it."""
        if self.sites.get(state.site.name) != state:
            self.sites[state.site.name] = state
            self._nodes_known = False
            self.law += 1

    def drop_site(self, name: str) -> None:
        """A site is no more; what runs there holds quota, and no device that anyone could get."""
        if self.sites.pop(name, None) is not None:
            self._nodes_known = False
            self.law += 1

    def set_account(self, account: Account) -> None:
        """Add an account, or put it in place of what is known of it."""
        known = self.accounts.get(account.project.id)
        self.accounts[account.project.id] = account
        if known is None or known.residency != account.residency:
            self.law += 1

    def drop_account(self, project: str) -> None:
        """A project is no more."""
        if self.accounts.pop(project, None) is not None:
            self.law += 1

    def set_hold(self, hold: Hold) -> None:
        """A hold stands, or changed."""
        self.holds[hold.id] = hold
        self.law += 1

    def drop_hold(self, hold_id: str) -> None:
        """A hold is gone."""
        if self.holds.pop(hold_id, None) is not None:
            self.law += 1

    def set_prices(self, prices_microeur: dict[str, int]) -> None:
        """These are the prices from now on."""
        if prices_microeur != self.prices_microeur:
            self.prices_microeur = dict(prices_microeur)
            self._nodes_known = False
            self.law += 1

    def set_device_power(self, device_power_w: dict[str, int]) -> None:
        """This is what devices draw from now on."""
        if device_power_w != self.device_power_w:
            self.device_power_w = dict(device_power_w)
            self._nodes_known = False

    def set_run(self, run: Run, facts: RunFacts | None) -> None:
        """A run holds devices, or something about it changed."""
        if run.ended:
            self.drop_run(run.id)
            return
        before, known = self.runs.get(run.id), self.facts.get(run.id)
        self.runs[run.id] = run
        if facts is None:
            self.facts.pop(run.id, None)
        else:
            self.facts[run.id] = facts
        if before is not None:
            same = (before.placement, before.site, before.project, before.wanted)
            if same == (run.placement, run.site, run.project, run.wanted) and known == facts:
                return  # Nothing of it concerns what is free.
            self._release(run.id)
        self._hold_run(run)

    def drop_run(self, run_id: str) -> None:
        """Nothing of a run is left; of what is not there nothing changes."""
        if self.runs.pop(run_id, None) is not None:
            self.facts.pop(run_id, None)
            self._release(run_id)

    def _hold_run(self, run: Run) -> None:
        facts = self.facts.get(run.id, RunFacts())
        if run.wanted is RunWanted.STOP:
            self.stopping.add(run.id)
        self._hold(run.id, run.project, run.site, run.placement, run.accelerator, facts)

    def _hold(
        self,
        run: str,
        project: str,
        site: str,
        placement: tuple[DeviceSet, ...],
        accelerator: str,
        facts: RunFacts,
    ) -> None:
        if not self._nodes_known:
            return  # Everything is held anew when they are.
        devices = sum(len(part.devices) for part in placement)
        ends_ms = facts.ends_by_ms if facts.ends_by_ms is not None else NEVER_MS
        tier = facts.priority if run in self.facts and facts.preemptible else LASTING_TIER
        if run in self.stopping:
            ends_ms, tier = 0, STOPPING_TIER
        amounts = (facts.device_milli, facts.cpu_milli, facts.memory_bytes)
        self.nodes.hold(run, site, placement, *amounts, ends_ms, tier)
        each = len(placement[0].devices) if placement else 0
        asked = (facts.cpu_milli, facts.memory_bytes, each, facts.device_milli)
        held = Held(
            project,
            site,
            devices,
            dominant_milli(self.nodes, site, placement, facts),
            len(placement),
            asked,
            run in self.stopping,
            self.power_uw(site, accelerator, devices * facts.device_milli),
        )
        self.holdings.add(run, held)

    def _release(self, run: str) -> None:
        self.stopping.discard(run)
        if self._nodes_known:
            self.holdings.remove(run)
            self.nodes.release(run)

    # The plan that is being made.

    @contextmanager
    def planning(self, now_ms: int) -> Iterator[None]:
        """Begin a plan at this instant [ms]; at the end nothing of it is left."""
        self._know_nodes()
        self.now_ms = now_ms
        self.standing = tuple(self.holds[key] for key in sorted(self.holds))
        self.standing = tuple(hold for hold in self.standing if hold.released_at_ms is None)
        self.budget_left_microeur = {key: row.budget_left_microeur for key, row in self.accounts.items()}
        self.grant_left_device_ms = {}
        for row in self.accounts.values():
            # A grant is the tenant's; should its projects disagree, the least is believed.
            grant, name = row.grant_left_device_ms, row.tenant.name
            if grant is not None:
                self.grant_left_device_ms[name] = min(grant, self.grant_left_device_ms.get(name, grant))
        self.scores.expect(self.holdings.asked, self.demands)
        self.nodes.renew()
        try:
            yield
        finally:
            self.spare()
            for run in self._shed:
                self._set_stopping(run, False)
            self._shed.clear()
            for run in self._started:
                self._release(run)
                del self.facts[run]
            self._started.clear()
            self.reserved.clear()

    def _know_nodes(self) -> None:
        if self._nodes_known:
            return
        self.nodes = Nodes(self.sites.values())
        self._nodes_known = True
        self.scores = Scores(self.nodes, self.placement, self.sites, self.prices_microeur)
        self.reserved = Reservations(self.nodes)
        self.holdings = Holdings()
        self.unkept = frozenset(
            name
            for name, state in self.sites.items()
            if state.site.isolation is Isolation.NONE and not state.site.isolation_accepted
        )
        for run in self.runs.values():
            self._hold_run(run)

    def account(self, item: Pending) -> Account:
        """The account of the item's project.

        Raises:
            SnapshotIncomplete: there is none.
        """
        account = self.accounts.get(item.project)
        if account is None:
            raise SnapshotIncomplete(
                f"{item.id} belongs to project {item.project}, which has no account in the snapshot."
                " Put every project with pending work into the snapshot.",
                pending=item.id,
                project=item.project,
            )
        return account

    def price_microeur(self, accelerator: str) -> int | None:
        """Price of a device-hour [EUR * 1e-6], or None when there is none."""
        return self.prices_microeur.get(accelerator, self.prices_microeur.get("*"))

    def ends_ms(self, item: Pending) -> int:
        """When it would end by its time limit, were it started now; a replica never does [ms]."""
        return self.now_ms + item.time_limit_ms if item.kind is WorkloadKind.JOB else NEVER_MS

    def start(self, item: Pending, placement: Placement) -> None:
        """Count a placement of this plan as given.

        The tenant's rest is not in the snapshot apart from its projects', so where the tenant has a
        budget the bound is taken off every project of it. That can hold a sibling back until the
        next snapshot; it never lets two of them spend the same money.
        """
        resources, ends_ms = item.resources, self.ends_ms(item)
        # What this plan starts it does not stop again; that a job ends is known from its time limit.
        self.facts[item.id] = RunFacts(
            item.priority,
            preemptible=False,
            model=item.model,
            cpu_milli=resources.cpu_milli,
            memory_bytes=resources.memory_bytes,
            ends_by_ms=None if ends_ms == NEVER_MS else ends_ms,
            device_milli=resources.device_milli,
        )
        self._started.append(item.id)
        self._hold(
            item.id,
            item.project,
            placement.site,
            placement.devices,
            placement.accelerator,
            self.facts[item.id],
        )
        self.nodes.renew()
        self.reserved.started(item.id, ends_ms)
        price_microeur = self.price_microeur(placement.accelerator)
        assert price_microeur is not None, f"{item.id} was placed without a price"
        bound_microeur = upper_bound_microeur(item, price_microeur)
        tenant = self.account(item).tenant
        if tenant.name in self.grant_left_device_ms:
            self.grant_left_device_ms[tenant.name] -= use_bound_device_ms(item)
        for key, account in self.accounts.items():
            if account.tenant.name != tenant.name:
                continue
            budget = self.budget_left_microeur[key]
            if budget is not None and (key == item.project or tenant.budget_microeur is not None):
                self.budget_left_microeur[key] = budget - bound_microeur

    def evict(self, run: str) -> None:
        """This plan stops a run; its devices are free at any moment."""
        self._evicted.append(run)
        self._set_stopping(run, True)
        self.nodes.renew()

    def power_uw(self, site: str, accelerator: str, devices_milli: int) -> int:
        """What so many devices draw at full load, PUE included [W * 1e-6]."""
        state = self.sites.get(site)
        pue_milli = state.site.pue_milli if state is not None else 1000
        return devices_milli * self.device_power_w.get(accelerator, 0) * pue_milli

    def lost_device_ms(self, run: str) -> int:
        """What stopping a run loses: time since its last checkpoint, and a restart [device-ms]."""
        if run in self.stopping:
            return 0
        facts, known = self.facts[run], self.runs[run]
        since_ms = facts.kept_until_ms
        if since_ms is None:
            since_ms = known.started_at_ms or known.created_at_ms
        return self.holdings.of[run].devices * (max(0, self.now_ms - since_ms) + facts.restart_ms)

    def evict_for_power(self, run: str) -> None:
        """This plan stops a run whatever else it does."""
        self._shed.append(run)
        self._set_stopping(run, True)
        self.nodes.renew()

    def spare(self) -> None:
        """What this plan was to stop goes on."""
        for run in self._evicted:
            self._set_stopping(run, False)
        self._evicted.clear()
        self.nodes.renew()

    def _set_stopping(self, run: str, stopping: bool) -> None:
        self._release(run)
        if stopping:
            self.stopping.add(run)
        self._hold_run(self.runs[run])

    def beyond(self, project: str) -> tuple[int, int]:
        """How many devices a project, and its tenant, hold beyond their quotas without what is stopping.

        Below zero: how many more are within the quota; where there is none, nothing is ever beyond.
        """
        account = self.accounts.get(project)
        if account is None:
            return (-_UNLIMITED, -_UNLIMITED)
        tenant, own = account.tenant, account.project
        held = self.holdings.project_devices[project] - self.holdings.stopping_devices[project]
        of_tenant = self.holdings.tenant_devices[tenant.name] - self.holdings.stopping_devices[tenant.name]
        return (
            -_UNLIMITED if own.quota_devices is None else held - own.quota_devices,
            -_UNLIMITED if tenant.quota_devices is None else of_tenant - tenant.quota_devices,
        )


# More devices than there are.
_UNLIMITED = 10**12


def use_bound_device_ms(item: Pending) -> int:
    """Most device time that it may use, parts of a device rounded up [device-ms]."""
    resources = item.resources
    return -(-resources.devices_total * resources.device_milli * item.time_limit_ms // 1000)


def upper_bound_microeur(item: Pending, price_microeur: int) -> int:
    """Most that it may cost at this price of a device-hour, rounded up [EUR * 1e-6]."""
    return -(-price_microeur * use_bound_device_ms(item) // PRICED_QUANTITY[Resource.DEVICE_TIME])
