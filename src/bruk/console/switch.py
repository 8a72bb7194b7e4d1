"""The switch: what stands, what each enforcer has carried out, receipts; and the page that turns it.

Turning something off has a page of its own that says what will happen and asks for a reason, so that it
is never one stray click.
"""

from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from bruk.console.door import ControlOf, Posting, Seen, guard
from bruk.console.rendering import page
from bruk.control import authorise, jobs, models, overview, switch
from bruk.control.control import Control
from bruk.model.errors import InvalidInput, NotFound
from bruk.model.policy import OPERATORS, OVERSEERS, Policy, Reach
from bruk.model.run import Run
from bruk.model.switch import Hold, HoldScope
from bruk.model.tenant import Actor
from bruk.reports import receipt_view
from bruk.reports.receipt import state_of
from bruk.seal import SignedDocument

router = APIRouter()

# Pages of reports carry their style in themselves and nothing that runs.
DOCUMENT_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; sandbox; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
RECEIPTS_SHOWN = 50

Scope = Annotated[HoldScope, Form()]
Target = Annotated[str, Form(max_length=200)]
Reason = Annotated[str, Form(max_length=2000)]


def document(html: str) -> Response:
    """A report's page, shown as it is."""
    return HTMLResponse(html, headers={"Content-Security-Policy": DOCUMENT_POLICY})


@router.get("/switch", dependencies=[guard(Policy(OVERSEERS, Reach.OWN))])
def board(request: Request, visitor: Seen, control: ControlOf) -> Response:
    """Every hold, every enforcer, every receipt."""
    authorise.oversee(visitor.actor, "read the switch")
    with control.read() as connection:
        state = switch.state_for(connection, visitor.actor)
    return page(
        request,
        "switch.html",
        live={"board": "live/board.html"},
        section="switch",
        state=state,
        receipts=switch.receipts(control, visitor.actor)[::-1][:RECEIPTS_SHOWN],
        views=overview.sites(control, visitor.actor),
        tenants=overview.tenants(control, visitor.actor),
        models=models.listing(control, visitor.actor),
        names=overview.names(control, visitor.actor),
    )


@router.get("/switch/turn", dependencies=[guard(Policy(OPERATORS, Reach.SITE))])
def turn(
    request: Request, visitor: Seen, control: ControlOf, scope: HoldScope, target: str = "*"
) -> Response:
    """What turning this would do, and the form that does it."""
    authorise.operate(visitor.actor, "turn the switch", target if scope is HoldScope.SITE else None)
    if scope is HoldScope.LOCAL:
        raise InvalidInput("a site's own key is turned at the site: 'bruk off --local'", field="scope")
    _require_target(control, visitor.actor, scope, target)
    with control.read() as connection:
        state = switch.state_for(connection, visitor.actor)
    holds = [hold for hold in state.holds if hold.scope is scope and hold.target == target]
    hold = holds[0] if holds else None
    affected = _affected(control, visitor.actor, scope, target)
    return page(
        request,
        "turn.html",
        section="switch",
        scope=scope.value,
        target=target,
        hold=hold,
        local=[each for each in state.local_holds if scope is HoldScope.SITE and each.target == target],
        affected=affected,
        names=overview.names(control, visitor.actor),
        workloads={run.workload: jobs.get(control, visitor.actor, run.workload) for run in affected},
    )


def _require_target(control: Control, actor: Actor, scope: HoldScope, target: str) -> None:
    known = {
        HoldScope.PLATFORM: lambda: ["*"],
        HoldScope.SITE: lambda: [view.site.name for view in overview.sites(control, actor)],
        HoldScope.TENANT: lambda: [tenant.name for tenant in overview.tenants(control, actor)],
        HoldScope.MODEL: lambda: [model.id for model in models.listing(control, actor)],
    }[scope]()
    if target not in known:
        raise NotFound(f"there is no {scope.value} {target!r}", what=scope.value, id=target)


def _affected(control: Control, actor: Actor, scope: HoldScope, target: str) -> list[Run]:
    """Runs that a hold there would stop now."""
    trial = Hold("", scope, target, 0, "", 0)
    found = []
    for view in overview.sites(control, actor):
        for run in view.runs:
            spec = jobs.get(control, actor, run.workload).spec
            if trial.covers(run.site, run.tenant, switch.model_of(spec)):
                found.append(run)
    return found


@router.post("/switch/off", dependencies=[guard(Policy(OPERATORS, Reach.SITE))])
def off(
    visitor: Posting, control: ControlOf, scope: Scope, target: Target = "*", reason: Reason = ""
) -> Response:
    """Turn it off, and show the receipt as it fills."""
    if not reason.strip():
        raise InvalidInput("say why: the reason stands in the receipt and in the audit log", field="reason")
    _, receipt = switch.off(control, visitor.actor, scope, target, reason.strip())
    return RedirectResponse(f"/switch/receipts/{receipt}", status_code=303)


@router.post("/switch/on", dependencies=[guard(Policy(OPERATORS, Reach.SITE))])
def on(visitor: Posting, control: ControlOf, scope: Scope, target: Target = "*") -> Response:
    """Turn it on again."""
    _, receipt = switch.on(control, visitor.actor, scope, target)
    return RedirectResponse(f"/switch/receipts/{receipt}", status_code=303)


@router.get("/switch/receipts/{receipt}", dependencies=[guard(Policy(OVERSEERS, Reach.SITE))])
def receipt_page(request: Request, receipt: str, visitor: Seen, control: ControlOf) -> Response:
    """A receipt, filling as enforcers answer."""
    complete, sealed = switch.receipt(control, visitor.actor, receipt)
    body = sealed["body"]
    rows = [{**row, "state": state_of(row, body["generation"])} for row in body["enforcers"]]
    return page(
        request,
        "receipt.html",
        live={"receipt": "live/receipt.html"},
        section="switch",
        complete=complete,
        body=body,
        rows=rows,
        subject=receipt_view.subject(body),
        conclusion=receipt_view.conclusion(body),
        names=overview.names(control, visitor.actor),
        key_id=sealed["key_id"],
    )


@router.get("/switch/receipts/{receipt}/document", dependencies=[guard(Policy(OVERSEERS, Reach.SITE))])
def receipt_document(receipt: str, visitor: Seen, control: ControlOf) -> Response:
    """The receipt as a printable page."""
    return document(receipt_view.receipt_html(switch.receipt(control, visitor.actor, receipt)[1]["body"]))


@router.get("/switch/receipts/{receipt}/sealed", dependencies=[guard(Policy(OVERSEERS, Reach.SITE))])
def receipt_sealed(receipt: str, visitor: Seen, control: ControlOf) -> Response:
    """The receipt as it is signed, to keep and to verify offline."""
    sealed = switch.receipt(control, visitor.actor, receipt)[1]
    return Response(
        SignedDocument.from_document(sealed).to_bytes(),
        media_type="application/json",
        headers={"Content-Disposition": f'attachment; filename="{receipt}.json"'},
    )
