"""The working copy of a snapshot on which one plan is made.

It counts what runs hold and what the plan has given so far, so that the placements of one plan
take each other into account: devices, quota, budget, grant and isolation. It decides nothing.
Look next at `filters` and `decide`.
"""

from collections import Counter
from dataclasses import dataclass, field

from bruk.model.errors import BrukError
from bruk.model.ledger import PRICED_QUANTITY, Resource
from bruk.model.plan import Placement
from bruk.model.run import DeviceSet, RunWanted
from bruk.model.site import Site
from bruk.model.snapshot import Account, Pending, RunFacts, Snapshot
from bruk.model.workload import WorkloadKind
from bruk.scheduler.room import Room


class SnapshotIncomplete(BrukError):
    """Something in the snapshot refers to what the snapshot does not contain."""

    code = "snapshot_incomplete"


@dataclass(slots=True)
class SiteBoard:
    """A site with its nodes by accelerator, each list sorted by name.

    Attributes:
        tenants: devices that each tenant's unfinished runs hold there.
        reserved: a gang that waits has nodes kept for it here.
    """

    site: Site
    connected: bool
    rooms: dict[str, Room]
    by_accelerator: dict[str, list[Room]]
    tenants: Counter[str] = field(default_factory=Counter)
    reserved: bool = False


class Board:
    """The snapshot, with what this plan has given away."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.now_ms = snapshot.now_ms
        self.prices_microeur = snapshot.prices_microeur
        self.holds = [hold for hold in snapshot.holds if hold.released_at_ms is None]
        self.accounts: dict[str, Account] = {account.project.id: account for account in snapshot.accounts}
        self.budget_left_microeur = {key: row.budget_left_microeur for key, row in self.accounts.items()}
        self.grant_left_device_ms: dict[str, int] = {}
        for row in self.accounts.values():
            # A grant is the tenant's; should its projects disagree, the least is believed.
            grant, name = row.grant_left_device_ms, row.tenant.name
            if grant is not None:
                self.grant_left_device_ms[name] = min(grant, self.grant_left_device_ms.get(name, grant))
        self.project_devices: Counter[str] = Counter()
        self.tenant_devices: Counter[str] = Counter()
        self.facts: dict[str, RunFacts] = dict(snapshot.run_facts)
        self.stopping: set[str] = set()
        self.kept_something = False
        # Rises with everything that is given, kept or stopped: equal versions, equal answers.
        self.version = 0
        self.sites: dict[str, SiteBoard] = {}
        for state in snapshot.sites:
            rooms = {node.name: Room.empty(node) for node in sorted(state.nodes, key=lambda node: node.name)}
            by_accelerator: dict[str, list[Room]] = {}
            for room in rooms.values():
                by_accelerator.setdefault(room.node.accelerator, []).append(room)
            self.sites[state.site.name] = SiteBoard(state.site, state.connected, rooms, by_accelerator)
        for run in snapshot.runs:
            facts = self.facts.get(run.id, RunFacts())
            self._hold(run.id, run.project, run.site, run.placement, facts.cpu_milli, facts.memory_bytes)
            if run.wanted is RunWanted.STOP:
                self.stopping.add(run.id)

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

    def start(self, item: Pending, placement: Placement) -> None:
        """Count a placement of this plan as given.

        The tenant's rest is not in the snapshot apart from its projects', so where the tenant has a
        budget the bound is taken off every project of it. That can hold a sibling back until the
        next snapshot; it never lets two of them spend the same money.
        """
        self.version += 1
        resources = item.resources
        self._hold(
            item.id,
            item.project,
            placement.site,
            placement.devices,
            resources.cpu_milli,
            resources.memory_bytes,
        )
        # What this plan starts it does not stop again; that a job ends is known from its time limit.
        ends = item.kind is WorkloadKind.JOB
        self.facts[item.id] = RunFacts(
            item.priority,
            preemptible=False,
            model=item.model,
            ends_by_ms=self.now_ms + item.time_limit_ms if ends else None,
        )
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

    def kept(self) -> None:
        """Note that room was kept for an item that waits."""
        self.version += 1
        self.kept_something = True

    def forget_kept(self) -> None:
        """Begin a pass: nothing is kept for anybody."""
        if self.kept_something:
            self.version += 1
            for site in self.sites.values():
                site.reserved = False
                for room in site.rooms.values():
                    room.forget_kept()
        self.kept_something = False

    def _hold(
        self,
        run: str,
        project: str,
        site_name: str,
        placement: tuple[DeviceSet, ...],
        cpu_milli: int,
        memory_bytes: int,
    ) -> None:
        tenant = project.split("/", 1)[0]
        devices = sum(len(part.devices) for part in placement)
        self.project_devices[project] += devices
        self.tenant_devices[tenant] += devices
        site = self.sites.get(site_name)
        if site is None:
            return  # A run at a site that was removed holds quota but no device that anyone could get.
        site.tenants[tenant] += devices
        for part in placement:
            room = site.rooms.get(part.node)
            if room is not None:
                room.hold(run, room.share(part.devices, cpu_milli, memory_bytes))


def use_bound_device_ms(item: Pending) -> int:
    """Most device time that it may use [device-ms]."""
    return item.resources.devices_total * item.time_limit_ms


def upper_bound_microeur(item: Pending, price_microeur: int) -> int:
    """Most that it may cost at this price of a device-hour, rounded up [EUR * 1e-6]."""
    return -(-price_microeur * use_bound_device_ms(item) // PRICED_QUANTITY[Resource.DEVICE_TIME])
