"""Queries of operators' requests to look at tenants' content, and of what was looked at."""

from dataclasses import replace

from sqlalchemy import Connection, insert, select

from bruk.model.inspection import Inspection, InspectionUse
from bruk.store import rows
from bruk.store.tables import inspection, inspection_use, project


def add(connection: Connection, value: Inspection) -> None:
    """A new request."""
    rows.add(connection, inspection, value)


def write_anew(connection: Connection, value: Inspection) -> None:
    """Write a request anew; what was looked at stays as it is."""
    rows.replace(connection, inspection, value)


def get(connection: Connection, inspection_id: str) -> Inspection:
    """The request of this id.

    Raises:
        NotFound: there is none.
    """
    row = rows.one(connection, inspection, "access request", id=inspection_id)
    uses = _uses(connection).get(inspection_id, ())
    return replace(rows.to_value(Inspection, row, uses=[]), uses=uses)


def inspections(
    connection: Connection, *, tenant: str | None = None, asked_by: str | None = None, of_project: str = ""
) -> list[Inspection]:
    """Requests, the newest first."""
    statement = select(inspection).order_by(inspection.c.asked_at_ms.desc(), inspection.c.id.desc())
    if tenant is not None:
        of_tenant = select(project.c.id).where(project.c.tenant == tenant)
        statement = statement.where(inspection.c.project.in_(of_tenant))
    if asked_by is not None:
        statement = statement.where(inspection.c.asked_by == asked_by)
    if of_project:
        statement = statement.where(inspection.c.project == of_project)
    found = [rows.to_value(Inspection, row, uses=[]) for row in rows.all_of(connection, statement)]
    uses = _uses(connection)
    return [replace(item, uses=uses.get(item.id, ())) for item in found]


def _uses(connection: Connection) -> dict[str, tuple[InspectionUse, ...]]:
    found: dict[str, tuple[InspectionUse, ...]] = {}
    statement = select(inspection_use).order_by(inspection_use.c.at_ms, inspection_use.c.what)
    for row in rows.all_of(connection, statement):
        use = rows.to_value(InspectionUse, row)
        found[use.inspection] = (*found.get(use.inspection, ()), use)
    return found


def add_use(connection: Connection, value: InspectionUse) -> None:
    """Something was looked at for the first time under this request."""
    connection.execute(insert(inspection_use).values(**rows.to_row(inspection_use, value)))
