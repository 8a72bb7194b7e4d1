"""Invoices and credits: numbered, sealed, adding up to the ledger to the micro-euro."""

from bruk.control import authorise
from bruk.control.control import Control
from bruk.facility.carbon import mean_day_intensity
from bruk.model.errors import InvalidInput, NotFound
from bruk.model.ledger import LedgerEntry
from bruk.model.tenant import Actor
from bruk.reports.invoice import InvoiceHeader, SiteFactor, invoice_from_entries
from bruk.reports.invoice_check import check_invoice
from bruk.seal import Checkpoint, SignedDocument
from bruk.store import counters, money, people, places, records
from bruk.store.database import Connection
from bruk.store.money import InvoiceRow
from bruk.wire.requests import CreditBody, InvoiceBody

SELLER_SETTING = "seller"
LEDGER_PAGE = 1000


def _factors(connection: Connection) -> list[SiteFactor]:
    factors = []
    for site in places.sites(connection):
        day = mean_day_intensity(site.grid_zone)
        mean = round(sum(day.values_milli) / len(day.values_milli))
        source = f"PUE: {site.pue_source}; intensity: {day.source}"
        factors.append(SiteFactor(site.name, site.grid_zone, site.pue_milli, mean, source))
    return factors


def _all_entries(connection: Connection, tenant: str) -> list[LedgerEntry]:
    found: list[LedgerEntry] = []
    while True:
        after = found[-1].seq if found else 0
        page = records.ledger_entries(connection, tenant=tenant, after=after, limit=LEDGER_PAGE)
        found.extend(page)
        if len(page) < LEDGER_PAGE:
            return found


def issue(control: Control, actor: Actor, body: InvoiceBody) -> InvoiceRow:
    """Issue the next invoice: everything of this tenant that entered the ledger in the period.

    Raises:
        InvalidInput: the period ends in the future or before it begins, or overlaps an invoice.
    """
    with control.change(actor, "invoice.issue", body.tenant) as change:
        authorise.operate(actor, "issue invoices")
        connection = change.connection
        tenant = people.get_tenant(connection, body.tenant)
        # Entries of this very millisecond may still follow, so the period ends before it.
        to_ms = change.now_ms if body.to_ms is None else body.to_ms
        before = money.invoices(connection, tenant.name)
        from_ms = body.from_ms
        if from_ms is None:
            from_ms = max((row.to_ms for row in before), default=tenant.created_at_ms)
        if not from_ms < to_ms <= change.now_ms:
            raise InvalidInput("an invoice's period begins before it ends, and ends now at the latest")
        for row in before:
            if row.from_ms < to_ms and from_ms < row.to_ms:
                raise InvalidInput(
                    f"invoice {row.number} covers part of this period already; begin at {row.to_ms}",
                    invoice=row.number,
                    from_ms=row.to_ms,
                )
        number = f"BRUK-{counters.raise_(connection, 'invoice'):06d}"
        seller = counters.setting_of(connection, SELLER_SETTING) or ["The operator of this cloud"]
        header = InvoiceHeader(
            number, tuple(seller), tenant.name, (tenant.display_name,), change.now_ms, from_ms, to_ms
        )
        key = control.signer(connection)
        checkpoint = Checkpoint.sign(records.head(connection, records.LEDGER), change.now_ms, key)
        entries = _all_entries(connection, tenant.name)
        document = invoice_from_entries(header, entries, _factors(connection), checkpoint.document())
        check_invoice(document, entries)
        sealed = SignedDocument.sign("invoice", document, key).document()
        row = InvoiceRow(number, tenant.name, from_ms, to_ms, change.now_ms, sealed)
        money.add_invoice(connection, row)
        change.target, change.detail["total_microeur"] = number, document["total_microeur"]
    return row


def invoices(control: Control, actor: Actor) -> list[InvoiceRow]:
    """The invoices that the caller may see."""
    with control.read() as connection:
        found = money.invoices(connection)
    return [row for row in found if authorise.may_read(actor, row.tenant)]


def invoice(control: Control, actor: Actor, number: str) -> InvoiceRow:
    """One invoice."""
    with control.read() as connection:
        row = money.get_invoice(connection, number)
    authorise.read(actor, row.tenant, None, "invoice", number)
    return row


def credit(control: Control, actor: Actor, body: CreditBody) -> LedgerEntry:
    """Correct the past: an entry with a negative amount; nothing is changed or removed."""
    with control.change(actor, "ledger.credit", body.project, amount_microeur=body.amount_microeur) as change:
        authorise.operate(actor, "write credits")
        project = people.get_project(change.connection, body.project)
        entry = LedgerEntry.credit(
            control.clock.new_id("credit"), change.now_ms, project.id, body.amount_microeur, note=body.note
        )
        return records.append_ledger(change.connection, [entry])[0]


def ledger(
    control: Control, actor: Actor, *, tenant: str | None, project: str | None, after: int, limit: int
) -> list[LedgerEntry]:
    """Ledger entries that the caller may see, in order."""
    if actor.tenant is not None:
        if tenant not in (None, actor.tenant):
            raise NotFound(f"there is no tenant {tenant!r}", what="tenant", id=tenant)
        tenant, project = actor.tenant, actor.project or project
    else:
        authorise.audit(actor, "read the ledger")
    with control.read() as connection:
        return records.ledger_entries(connection, tenant=tenant, project=project, after=after, limit=limit)
