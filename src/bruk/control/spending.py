"""What each project has spent, what is set aside, and what is left.

Left = budget - spent (ledger) - what running work may still cost - what gateways may still spend.
The smaller of the tenant's and the project's rest counts.
"""

from dataclasses import dataclass

from bruk.admission.tariff import PriceBook, amount_microeur
from bruk.model.ledger import PRICED_QUANTITY, Resource
from bruk.model.tenant import Project, Tenant
from bruk.model.workload import JobSpec, Workload
from bruk.store import money, people, work
from bruk.store.database import Connection
from bruk.store.work import RunRecord

# A replica has no end, so this much of its time must be affordable for it to start and go on.
REPLICA_HORIZON_MS = 15 * 60_000
# Open workloads by id, and unsettled runs.
UnderWay = tuple[dict[str, Workload], list[RunRecord]]


@dataclass(frozen=True, slots=True)
class Spending:
    """One project's money [EUR * 1e-6].

    Attributes:
        committed_microeur: set aside for running work and for gateways' slices.
        left_microeur: None when neither the tenant nor the project has a budget.
        exhausted: the ledger has reached a budget or the tenant's grant: running work is to stop.
    """

    project: str
    spent_microeur: int
    committed_microeur: int
    left_microeur: int | None
    exhausted: bool


def horizon_ms(workload: Workload) -> int:
    """How long one run of this workload must be affordable [ms]."""
    return workload.spec.time_limit_s * 1000 if isinstance(workload.spec, JobSpec) else REPLICA_HORIZON_MS


def device_cost_microeur(book: PriceBook, accelerator: str, device_ms: int, at_ms: int) -> int:
    """Price of device time now.

    Raises:
        PriceMissing: the accelerator has no price.
    """
    price = book.price(Resource.DEVICE_TIME, accelerator, at_ms)
    return amount_microeur(device_ms, price.price_microeur, PRICED_QUANTITY[Resource.DEVICE_TIME])


def left_microeur(
    connection: Connection,
    now_ms: int,
    tenants: list[Tenant],
    projects: list[Project],
    under_way: UnderWay | None = None,
) -> dict[str, int | None]:
    """What is left of every project's budget, by project id; None without one [EUR * 1e-6].

    Where nobody has a budget, as at many sites, nothing is reckoned.
    """
    budgets = [item.budget_microeur for item in projects] + [item.budget_microeur for item in tenants]
    if all(budget is None for budget in budgets):
        return dict.fromkeys((item.id for item in projects), None)
    return {name: found.left_microeur for name, found in spending(connection, now_ms, under_way).items()}


def exhausted(connection: Connection, tenants: list[Tenant], projects: list[Project]) -> set[str]:
    """Projects whose running work is to stop, for the ledger has reached a budget or the grant."""
    accounts = money.accounts(connection)
    found: set[str] = set()
    for tenant, own in _by_tenant(tenants, projects):
        over = _out_of_grant(tenant, own, accounts)
        found |= {
            item.id
            for item in own
            if over or any(rest <= 0 for rest, _ in _rests(tenant, item, own, accounts, {}))
        }
    return found


def spending(connection: Connection, now_ms: int, under_way: UnderWay | None = None) -> dict[str, Spending]:
    """Every project's spending, by project id.

    Args:
        under_way: open workloads by id and unsettled runs, where the caller has read them.
    """
    accounts = money.accounts(connection)
    committed = _committed(connection, now_ms, accounts, under_way)
    found: dict[str, Spending] = {}
    for tenant, own in _by_tenant(people.tenants(connection), people.projects(connection)):
        over = _out_of_grant(tenant, own, accounts)
        for item in own:
            rests = _rests(tenant, item, own, accounts, committed)
            found[item.id] = Spending(
                item.id,
                accounts[item.id].spent_microeur,
                committed[item.id],
                min((rest - aside for rest, aside in rests), default=None),
                over or any(rest <= 0 for rest, _ in rests),
            )
    return found


def _by_tenant(tenants: list[Tenant], projects: list[Project]) -> list[tuple[Tenant, list[Project]]]:
    own: dict[str, list[Project]] = {}
    for project in projects:
        own.setdefault(project.tenant, []).append(project)
    return [(tenant, own.get(tenant.name, [])) for tenant in tenants]


def _out_of_grant(tenant: Tenant, own: list[Project], accounts: dict[str, money.Account]) -> bool:
    taken_ms = sum(accounts[item.id].device_ms for item in own)
    return tenant.grant_device_ms is not None and taken_ms >= tenant.grant_device_ms


def _rests(
    tenant: Tenant,
    project: Project,
    own: list[Project],
    accounts: dict[str, money.Account],
    committed: dict[str, int],
) -> list[tuple[int, int]]:
    """Of each budget that the project is under: what is not spent, and what of it is set aside."""
    found = []
    if project.budget_microeur is not None:
        spent = accounts[project.id].spent_microeur
        found.append((project.budget_microeur - spent, committed.get(project.id, 0)))
    if tenant.budget_microeur is not None:
        spent = sum(accounts[item.id].spent_microeur for item in own)
        found.append((tenant.budget_microeur - spent, sum(committed.get(item.id, 0) for item in own)))
    return found


def _committed(
    connection: Connection, now_ms: int, accounts: dict[str, money.Account], under_way: UnderWay | None
) -> dict[str, int]:
    book = PriceBook(money.prices(connection))
    committed: dict[str, int] = dict.fromkeys(accounts, 0)
    known, unsettled = under_way or (
        {found.id: found for found in work.workloads(connection, open_=True)},
        work.runs(connection, unsettled=True),
    )
    for record in unsettled:
        run, workload = record.run, known.get(record.run.workload)
        if run.ended or workload is None:
            continue
        used_ms = (run.metered_until_ms or run.created_at_ms) - (run.started_at_ms or run.created_at_ms)
        left_ms = horizon_ms(workload)
        if isinstance(workload.spec, JobSpec):
            left_ms = max(0, left_ms - max(0, used_ms))
        # A run is placed under a price, so one holds from then on, also when the clock goes back.
        at_ms = max(now_ms, run.created_at_ms)
        committed[run.project] += device_cost_microeur(
            book, run.accelerator, left_ms * run.devices_total, at_ms
        )
    for piece in money.slices(connection):
        committed[piece.project] += max(0, piece.granted_microeur - piece.settled_microeur)
    return committed
