"""Routes of the switch, the ledger, invoices, the audit log and the public keys."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, BackgroundTasks, Query, Response
from fastapi.responses import FileResponse

from bruk.api.door import Caller, ControlOf, OnceOf, guard, media
from bruk.api.page import Page, WindowOf, number_after, page_of
from bruk.control import authorise, evidence, invoices, signing, switch
from bruk.control.control import Control
from bruk.model.ledger import AuditEntry, LedgerEntry
from bruk.model.policy import (
    OPEN,
    OPERATORS,
    OVERSEERS,
    PLATFORM,
    READERS,
    TENANT_PEOPLE,
    TENANTS,
    Policy,
    Reach,
)
from bruk.model.switch import HoldScope
from bruk.reports.invoice_view import invoice_csv, invoice_html, invoice_text
from bruk.reports.receipt_view import receipt_html, receipt_text
from bruk.seal import SignedDocument
from bruk.store import records
from bruk.wire import codec
from bruk.wire.access import SigningKeyBody
from bruk.wire.answers import SigningKeyStatus, SwitchState
from bruk.wire.requests import CreditBody, InvoiceBody, SwitchBody

router = APIRouter(tags=["records"])

Form = Annotated[Literal["json", "html", "text", "csv"], Query(alias="format")]


@router.get("/switch", dependencies=[guard(Policy(OVERSEERS, Reach.OWN))])
def get_switch(control: ControlOf, caller: Caller) -> SwitchState:
    """The switch as it stands, with what each enforcer has carried out."""
    authorise.oversee(caller, "read the switch")
    with control.read() as connection:
        return switch.state_for(connection, caller)


@router.post("/switch/off", status_code=201, dependencies=[guard(Policy(OPERATORS, Reach.SITE))])
def switch_off(control: ControlOf, caller: Caller, body: SwitchBody, once: OnceOf) -> Any:
    """Turn a scope off; the answer names the receipt to come."""

    def make() -> dict[str, Any]:
        hold, receipt = switch.off(control, caller, HoldScope(body.scope), body.target, body.reason)
        return {"hold": codec.dump(hold), "receipt": receipt}

    return once(body, make)


@router.post("/switch/on", status_code=201, dependencies=[guard(Policy(OPERATORS, Reach.SITE))])
def switch_on(control: ControlOf, caller: Caller, body: SwitchBody, once: OnceOf) -> Any:
    """Turn a scope on again; the answer names the receipt to come."""

    def make() -> dict[str, Any]:
        hold, receipt = switch.on(control, caller, HoldScope(body.scope), body.target)
        return {"hold": codec.dump(hold), "receipt": receipt}

    return once(body, make)


@router.get("/switch/receipts", dependencies=[guard(Policy(OVERSEERS, Reach.OWN))])
def list_receipts(control: ControlOf, caller: Caller, window: WindowOf) -> Page[dict[str, Any]]:
    """Every receipt, oldest first."""
    rows = switch.receipts(control, caller)
    shown = [
        {
            "id": row.id,
            "action": row.action,
            "generation": row.generation,
            "created_at_ms": row.created_at_ms,
            "complete": row.complete,
        }
        for row in rows
    ]
    return page_of(shown, window, lambda row: str(row["id"]))


@router.get(
    "/switch/receipts/{receipt}",
    response_class=Response,
    responses=media("application/json", "text/html", "text/plain"),
    dependencies=[guard(Policy(OVERSEERS, Reach.SITE))],
)
def get_receipt(control: ControlOf, caller: Caller, receipt: str, form: Form = "json") -> Response:
    """A sealed receipt: final when complete, else as things stand now (``X-Complete``)."""
    complete, document = switch.receipt(control, caller, receipt)
    headers = {"X-Complete": str(complete).lower()}
    if form == "html":
        return Response(receipt_html(document["body"]), media_type="text/html", headers=headers)
    if form == "text":
        return Response(receipt_text(document["body"]), media_type="text/plain", headers=headers)
    return _sealed(document, headers)


def _sealed(document: dict[str, Any], headers: dict[str, str] | None = None) -> Response:
    content = SignedDocument.from_document(document).to_bytes()
    return Response(content, media_type="application/json", headers=headers)


@router.get("/ledger", dependencies=[guard(Policy(READERS | TENANTS, Reach.TENANT))])
def list_ledger(
    control: ControlOf,
    caller: Caller,
    window: WindowOf,
    tenant: str | None = None,
    project: str | None = None,
) -> Page[LedgerEntry]:
    """Ledger entries in order."""
    found = invoices.ledger(
        control, caller, tenant=tenant, project=project, after=number_after(window), limit=window.limit
    )
    more = len(found) == window.limit
    return Page[LedgerEntry](items=found, next=str(found[-1].seq) if more else None)


@router.get(
    "/ledger/export",
    response_class=Response,
    responses=media("application/jsonl"),
    dependencies=[guard(Policy(READERS, Reach.PLATFORM))],
)
def export_ledger(control: ControlOf, caller: Caller, later: BackgroundTasks) -> FileResponse:
    """The whole ledger as a sealed chain, to verify offline."""
    return _export(control, caller, records.LEDGER, later)


@router.post("/ledger/credits", status_code=201, dependencies=[guard(Policy(PLATFORM, Reach.PLATFORM))])
def add_credit(control: ControlOf, caller: Caller, body: CreditBody, once: OnceOf) -> Any:
    """Correct the past with a credit entry."""
    return once(body, lambda: codec.dump(invoices.credit(control, caller, body)))


@router.get("/audit", dependencies=[guard(Policy(READERS, Reach.PLATFORM))])
def list_audit(control: ControlOf, caller: Caller, window: WindowOf) -> Page[AuditEntry]:
    """Audit entries in order."""
    authorise.audit(caller, "read the audit log")
    with control.read() as connection:
        found = records.audit_entries(connection, after=number_after(window), limit=window.limit)
    more = len(found) == window.limit
    return Page[AuditEntry](items=found, next=str(found[-1].seq) if more else None)


@router.get(
    "/audit/export",
    response_class=Response,
    responses=media("application/jsonl"),
    dependencies=[guard(Policy(READERS, Reach.PLATFORM))],
)
def export_audit(control: ControlOf, caller: Caller, later: BackgroundTasks) -> FileResponse:
    """The whole audit log as a sealed chain, to verify offline."""
    return _export(control, caller, records.AUDIT, later)


def _export(control: Control, caller: Caller, chain: str, later: BackgroundTasks) -> FileResponse:
    path = evidence.export(control, caller, chain)
    later.add_task(path.unlink)
    return FileResponse(path, media_type="application/jsonl", filename=f"{chain}.jsonl", background=later)


@router.get("/invoices", dependencies=[guard(Policy(READERS | TENANT_PEOPLE, Reach.OWN))])
def list_invoices(control: ControlOf, caller: Caller, window: WindowOf) -> Page[dict[str, Any]]:
    """The invoices that the caller may see."""
    shown = [
        {
            "number": row.number,
            "tenant": row.tenant,
            "from_ms": row.from_ms,
            "to_ms": row.to_ms,
            "issued_at_ms": row.issued_at_ms,
            "total_microeur": row.document["body"]["total_microeur"],
        }
        for row in invoices.invoices(control, caller)
    ]
    return page_of(shown, window, lambda row: str(row["number"]))


@router.post("/invoices", status_code=201, dependencies=[guard(Policy(PLATFORM, Reach.PLATFORM))])
def issue_invoice(control: ControlOf, caller: Caller, body: InvoiceBody, once: OnceOf) -> Any:
    """Issue the next invoice of a tenant."""
    return once(body, lambda: codec.dump(invoices.issue(control, caller, body)))


@router.get(
    "/invoices/{number}",
    response_class=Response,
    responses=media("application/json", "text/html", "text/plain", "text/csv"),
    dependencies=[guard(Policy(READERS | TENANT_PEOPLE, Reach.TENANT))],
)
def get_invoice(control: ControlOf, caller: Caller, number: str, form: Form = "json") -> Response:
    """One invoice: the sealed document, or rendered for people."""
    document = invoices.invoice(control, caller, number).document
    body = document["body"]
    if form == "html":
        return Response(invoice_html(body), media_type="text/html")
    if form == "text":
        return Response(invoice_text(body), media_type="text/plain")
    if form == "csv":
        return Response(invoice_csv(body), media_type="text/csv")
    return _sealed(document)


@router.get("/signing-keys", dependencies=[guard(Policy(READERS, Reach.PLATFORM))])
def list_signing_keys(control: ControlOf, caller: Caller) -> list[SigningKeyStatus]:
    """The keys that sign records or signed them, the oldest first; for operators and auditors."""
    return signing.keys(control, caller)


@router.post("/signing-keys/rotate", status_code=201, dependencies=[guard(Policy(PLATFORM, Reach.PLATFORM))])
def rotate_signing_key(control: ControlOf, caller: Caller, body: SigningKeyBody, once: OnceOf) -> Any:
    """Let a new key sign from now on; the old one hands over, and may be revoked from a moment on."""
    return once(body, lambda: codec.dump(signing.rotate(control, caller, body.revoked_from_ms)))


@router.get("/keys/public", dependencies=[guard(OPEN)])
def public_keys(control: ControlOf) -> list[dict[str, Any]]:
    """The keys that sign records. Open: they are public, and pinning them needs no login."""
    return control.keyring.document()
