"""The records: ledger, invoices, audit log, with their exports and the check of a chain."""

import csv
import io
from collections.abc import Iterator
from typing import Annotated, Literal

from fastapi import APIRouter, BackgroundTasks, Form, Query, Request, Response
from fastapi.responses import FileResponse, RedirectResponse, StreamingResponse

from bruk.console.door import ControlOf, Posting, Seen, guard
from bruk.console.rendering import page
from bruk.console.switch import document
from bruk.control import evidence, invoices, overview, switch
from bruk.control.control import Control
from bruk.model.ledger import LedgerEntry, Resource
from bruk.model.policy import PLATFORM, READERS, TENANT_PEOPLE, Policy, Reach
from bruk.model.tenant import Actor
from bruk.reports.display import spreadsheet_text
from bruk.reports.invoice_view import invoice_csv, invoice_html
from bruk.seal import Checkpoint, SealError, SignedDocument
from bruk.store import records
from bruk.wire.requests import InvoiceBody

router = APIRouter()

SHOWN = 50
PAGE = 1000

Before = Annotated[int | None, Query(ge=1, le=2**53)]
Chain = Literal["audit", "ledger"]

_COLUMNS = (
    "seq",
    "at_ms",
    "from_ms",
    "to_ms",
    "tenant",
    "project",
    "site",
    "resource",
    "item",
    "quantity",
    "price_microeur",
    "price_version",
    "amount_microeur",
    "workload",
    "run",
    "it_energy_j",
    "energy_j",
    "carbon_mg",
    "quality",
    "note",
)


@router.get("/ledger", dependencies=[guard(Policy(READERS | TENANT_PEOPLE, Reach.OWN))])
def ledger(
    request: Request,
    visitor: Seen,
    control: ControlOf,
    tenant: Annotated[str, Query(max_length=63)] = "",
    resource: Literal["", "device_time", "tokens_in", "tokens_out", "credit"] = "",
    before: Before = None,
) -> Response:
    """What was used, newest first, with sums by tenant and resource."""
    found = overview.newest_entries(
        control,
        visitor.actor,
        before=before,
        limit=SHOWN + 1,
        tenant=tenant or None,
        resource=Resource(resource) if resource else None,
    )
    sums = [item for item in overview.sums(control, visitor.actor) if not tenant or item.tenant == tenant]
    return page(
        request,
        "ledger.html",
        live={"sums": "live/sums.html", "entries": "live/entries.html"},
        section="ledger",
        entries=found[:SHOWN],
        more=found[SHOWN - 1].seq if len(found) > SHOWN else None,
        sums=sums,
        total_microeur=sum(item.amount_microeur for item in sums),
        total_j=sum(item.energy_j for item in sums),
        total_mg=sum(item.carbon_mg for item in sums),
        tokens=sum(item.quantity for item in sums if item.resource.value.startswith("tokens")),
        qualities=sorted({item.quality.value for item in sums if item.quality is not None}),
        tenants=overview.tenants(control, visitor.actor),
        tenant=tenant,
        resource=resource,
    )


@router.get("/ledger.csv", dependencies=[guard(Policy(READERS | TENANT_PEOPLE, Reach.OWN))])
def ledger_csv(visitor: Seen, control: ControlOf) -> Response:
    """Every entry that the caller may see, as a table in exact integers."""
    overview.newest_entries(control, visitor.actor, before=None, limit=1)  # Refuses before a row is sent.
    return StreamingResponse(
        _rows(control, visitor.actor),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="ledger.csv"'},
    )


def _rows(control: Control, actor: Actor) -> Iterator[str]:
    yield _line(_COLUMNS)
    after = 0
    while True:
        found = invoices.ledger(control, actor, tenant=None, project=None, after=after, limit=PAGE)
        yield "".join(_line(_cells(entry)) for entry in found)
        if len(found) < PAGE:
            return
        after = found[-1].seq


def _cells(entry: LedgerEntry) -> list[object]:
    values = [getattr(entry, name) for name in _COLUMNS]
    return [value if isinstance(value, int) else spreadsheet_text(value or "") for value in values]


def _line(cells: tuple[str, ...] | list[object]) -> str:
    out = io.StringIO()
    csv.writer(out).writerow(cells)
    return out.getvalue()


@router.get("/export/{chain}", dependencies=[guard(Policy(READERS, Reach.PLATFORM))])
def export(chain: Chain, visitor: Seen, control: ControlOf, later: BackgroundTasks) -> Response:
    """A whole chain, sealed, to verify offline."""
    path = evidence.export(control, visitor.actor, chain)
    later.add_task(path.unlink, missing_ok=True)
    return FileResponse(
        path, media_type="application/jsonl", filename=f"bruk-{chain}.jsonl", background=later
    )


@router.get("/audit", dependencies=[guard(Policy(READERS, Reach.PLATFORM))])
def audit(request: Request, visitor: Seen, control: ControlOf, before: Before = None) -> Response:
    """Who did what to what, newest first."""
    return _audit(request, visitor.actor, control, before)


@router.post("/audit/verify", dependencies=[guard(Policy(READERS, Reach.PLATFORM))])
def verify(
    request: Request, visitor: Posting, control: ControlOf, chain: Annotated[Chain, Form()] = "audit"
) -> Response:
    """Check a chain as it stands now, the way that an auditor does."""
    known = _checkpoints(control, visitor.actor, chain)
    outcome: dict[str, object] = {"ok": False, "chain": chain, "known": len(known)}
    try:
        report = evidence.verify(control, visitor.actor, chain, known)
        outcome.update(ok=report.ok, sentences=report.sentences())
    except SealError as error:
        outcome["sentences"] = (str(error),)
    return _audit(request, visitor.actor, control, None, outcome)


def _audit(
    request: Request,
    actor: Actor,
    control: Control,
    before: int | None,
    outcome: dict[str, object] | None = None,
) -> Response:
    found, head = evidence.newest_audit(control, actor, before=before, limit=SHOWN)
    return page(
        request,
        "audit.html",
        live={} if outcome else {"audit": "live/audit.html"},
        section="audit",
        entries=found,
        head=head,
        more=found[-1].seq if found and found[-1].seq > 1 else None,
        outcome=outcome,
        names=overview.names(control, actor),
        key_ids=sorted({pinned.public_key.key_id for pinned in control.keyring.keys}),
    )


def _checkpoints(control: Control, actor: Actor, chain: str) -> list[Checkpoint]:
    """What receipts and invoices say of a chain: proof that nothing was cut off since."""
    if chain == records.AUDIT:
        sealed = [row.document for row in switch.receipts(control, actor) if row.document]
    else:
        sealed = [row.document for row in invoices.invoices(control, actor)]
    found = [SignedDocument.from_document(document).checkpoint for document in sealed]
    return [checkpoint for checkpoint in found if checkpoint is not None and checkpoint.chain == chain]


@router.get("/invoices", dependencies=[guard(Policy(READERS | TENANT_PEOPLE, Reach.OWN))])
def invoice_list(request: Request, visitor: Seen, control: ControlOf) -> Response:
    """Every invoice that the caller may see, newest first."""
    found = invoices.invoices(control, visitor.actor)[::-1]
    return page(
        request,
        "invoices.html",
        live={"invoices": "live/invoices.html"},
        section="invoices",
        invoices=found,
        tenants=overview.tenants(control, visitor.actor),
    )


@router.post("/invoices", dependencies=[guard(Policy(PLATFORM, Reach.PLATFORM))])
def issue(visitor: Posting, control: ControlOf, tenant: Annotated[str, Form(max_length=63)]) -> Response:
    """Issue the next invoice of a tenant: everything since its last one."""
    invoices.issue(control, visitor.actor, InvoiceBody(tenant=tenant))
    return RedirectResponse("/invoices", status_code=303)


@router.get("/invoices/{number}", dependencies=[guard(Policy(READERS | TENANT_PEOPLE, Reach.TENANT))])
def invoice(
    number: str, visitor: Seen, control: ControlOf, form: Literal["html", "csv", "sealed"] = "html"
) -> Response:
    """One invoice: to print, as a table, or as it is signed."""
    sealed = invoices.invoice(control, visitor.actor, number).document
    if form == "html":
        return document(invoice_html(sealed["body"]))
    suffix, media_type = ("csv", "text/csv") if form == "csv" else ("json", "application/json")
    content: str | bytes = (
        invoice_csv(sealed["body"]) if form == "csv" else SignedDocument.from_document(sealed).to_bytes()
    )
    return Response(
        content,
        media_type=media_type,
        headers={"Content-Disposition": f'attachment; filename="{number}.{suffix}"'},
    )
