"""Extracts for people: the newest ledger entries and runs, and sums of the ledger. Reads only."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from bruk.model.ledger import LedgerEntry, Quality, Resource
from bruk.model.run import Run
from bruk.store import rows
from bruk.store.tables import ledger, run


@dataclass(frozen=True, slots=True)
class LedgerSum:
    """What one tenant used of one resource, with energy figures of one quality.

    Attributes:
        quantity: in the unit of the resource.
        amount_microeur: [EUR * 1e-6].
        energy_j: of the facility [J].
        carbon_mg: location-based [mg CO2e].
        quality: None where the entries carry no energy of their own, as tokens and credits.
    """

    tenant: str
    resource: Resource
    quality: Quality | None
    entries: int
    quantity: int
    amount_microeur: int
    energy_j: int
    carbon_mg: int


def ledger_sums(
    connection: Connection,
    *,
    tenant: str | None = None,
    project: str | None = None,
    workload: str | None = None,
) -> list[LedgerSum]:
    """Sums over everything of a tenant, project or workload, by tenant, resource and quality."""
    by = (ledger.c.tenant, ledger.c.resource, ledger.c.quality)
    statement = select(
        *by,
        func.count().label("entries"),
        *(
            func.sum(ledger.c[name]).label(name)
            for name in ("quantity", "amount_microeur", "energy_j", "carbon_mg")
        ),
    )
    for column, wanted in (
        (ledger.c.tenant, tenant),
        (ledger.c.project, project),
        (ledger.c.workload, workload),
    ):
        if wanted is not None:
            statement = statement.where(column == wanted)
    # The two databases put NULL at different ends unless told.
    order = (ledger.c.tenant, ledger.c.resource, ledger.c.quality.nulls_first())
    found = rows.all_of(connection, statement.group_by(*by).order_by(*order))
    return [
        LedgerSum(
            row.tenant,
            Resource(row.resource),
            Quality(row.quality) if row.quality else None,
            int(row.entries),
            int(row.quantity),
            int(row.amount_microeur),
            int(row.energy_j),
            int(row.carbon_mg),
        )
        for row in found
    ]


def newest_entries(
    connection: Connection,
    *,
    before: int | None = None,
    limit: int = 50,
    tenant: str | None = None,
    resource: Resource | None = None,
) -> list[LedgerEntry]:
    """Entries from the newest to older ones, those before a sequence number if one is given."""
    statement = select(ledger).order_by(ledger.c.seq.desc()).limit(limit)
    if before is not None:
        statement = statement.where(ledger.c.seq < before)
    if tenant is not None:
        statement = statement.where(ledger.c.tenant == tenant)
    if resource is not None:
        statement = statement.where(ledger.c.resource == resource.value)
    return [rows.to_value(LedgerEntry, row) for row in rows.all_of(connection, statement)]


def newest_runs(connection: Connection, workloads: Sequence[str]) -> dict[str, Run]:
    """Workload id to its newest run, for those of the given workloads that have one."""
    statement = select(run).where(run.c.workload.in_(workloads)).order_by(run.c.created_at_ms, run.c.id)
    return {row.workload: rows.to_value(Run, row) for row in rows.all_of(connection, statement)}
