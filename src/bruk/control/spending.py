"""What each project has spent, what is set aside, and what is left.

Left = budget - spent (ledger) - what running work may still cost - what gateways may still spend.
The smaller of the tenant's and the project's rest counts.
"""

from dataclasses import dataclass

from bruk.admission.tariff import PriceBook, amount_microeur
from bruk.model.ledger import PRICED_QUANTITY, Resource
from bruk.model.workload import JobSpec, Workload
from bruk.store import money, people, work
from bruk.store.database import Connection

# A replica has no end, so this much of its time must be affordable for it to start and go on.
REPLICA_HORIZON_MS = 15 * 60_000


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


def spending(connection: Connection, now_ms: int) -> dict[str, Spending]:
    """Every project's spending, by project id."""
    book = PriceBook(money.prices(connection))
    accounts = money.accounts(connection)
    committed: dict[str, int] = dict.fromkeys(accounts, 0)
    known = {found.id: found for found in work.workloads(connection, open_=True)}
    for record in work.runs(connection, unsettled=True):
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

    found: dict[str, Spending] = {}
    for tenant in people.tenants(connection):
        own = people.projects(connection, tenant.name)
        tenant_spent = sum(accounts[item.id].spent_microeur for item in own)
        tenant_committed = sum(committed[item.id] for item in own)
        taken_ms = sum(accounts[item.id].device_ms for item in own)
        out_of_grant = tenant.grant_device_ms is not None and taken_ms >= tenant.grant_device_ms
        for item in own:
            spent = accounts[item.id].spent_microeur
            rests = []
            if item.budget_microeur is not None:
                rests.append((item.budget_microeur - spent, committed[item.id]))
            if tenant.budget_microeur is not None:
                rests.append((tenant.budget_microeur - tenant_spent, tenant_committed))
            found[item.id] = Spending(
                item.id,
                spent,
                committed[item.id],
                min((rest - aside for rest, aside in rests), default=None),
                out_of_grant or any(rest <= 0 for rest, _ in rests),
            )
    return found
