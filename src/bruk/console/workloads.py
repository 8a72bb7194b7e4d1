"""Workloads: the list, and one of them with its runs, log, loss, cost and reason for waiting."""

import codecs
import json
import re
import shlex
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from bruk.console import charts
from bruk.console.door import ControlOf, Posting, Seen, Visitor, guard
from bruk.console.figures import iso, size, span, words
from bruk.console.rendering import environment, page
from bruk.control import inspection, jobs, overview
from bruk.control.control import Control
from bruk.control.logs import Stream
from bruk.model.inspection import InspectionState
from bruk.model.policy import OPERATORS, PEOPLE, PLATFORM, TENANT_PEOPLE, Policy, Reach
from bruk.model.tenant import Actor
from bruk.model.workload import Resources, Workload, WorkloadKind
from bruk.store.work import RunRecord
from bruk.wire import codec

router = APIRouter()

SHOWN = 50
LOG_BYTES = 64 * 1024
# A curve is drawn from at most this much of a run's progress file.
PROGRESS_BYTES_MAX = 4 << 20
TRACES_MAX = 20

# Colours and cursor movements of terminals, and other control characters that no page can show.
_CONTROLS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")

Filter = Annotated[str, Query(max_length=200)]


@router.get("/workloads", dependencies=[guard(Policy(PEOPLE, Reach.OWN))])
def listing(
    request: Request,
    visitor: Seen,
    control: ControlOf,
    kind: Literal["", "job", "endpoint"] = "",
    state: Literal["", "open", "waiting", "ended"] = "",
    project: Filter = "",
    after: Filter = "",
) -> Response:
    """Newest first, with what is wanted, observed and waited for kept apart."""
    found = jobs.listing(
        control,
        visitor.actor,
        project=project or None,
        kind=WorkloadKind(kind) if kind else None,
        open_={"open": True, "waiting": True, "ended": False}.get(state),
        after=after,
        limit=SHOWN + 1,
    )
    reasons = jobs.waiting(control)
    shown = found[:SHOWN]
    if state == "waiting":
        shown = [item for item in shown if item.id in reasons]
    return page(
        request,
        "workloads.html",
        live={"list": "live/workloads.html"},
        section="workloads",
        shown=shown,
        more=found[SHOWN - 1].id if len(found) > SHOWN else "",
        reasons=reasons,
        runs=overview.newest_runs(control, shown),
        projects=overview.projects(control, visitor.actor),
        kind=kind,
        state=state,
        project=project,
    )


@router.get("/workloads/{workload}", dependencies=[guard(Policy(PEOPLE, Reach.RUN))])
def one(request: Request, workload: str, visitor: Seen, control: ControlOf) -> Response:
    """Everything about one workload."""
    actor = visitor.actor
    view = jobs.view(control, actor, workload)
    records = jobs.records(control, actor, workload)
    site = records[-1].run.site if records else None
    sees = inspection.may_look(control, actor, view.workload.project, site)
    text, tail = _log(control, actor, workload, None, None) if sees else (None, {})
    parts = {"facts": "live/facts.html", "runs": "live/runs.html"}
    if view.workload.kind is WorkloadKind.JOB:
        parts["curve"] = "live/curve.html"
    return page(
        request,
        "workload.html",
        live=parts,
        watch=f"workload={view.workload.id}",
        section="workloads",
        view=view,
        item=view.workload,
        records=records,
        placements=jobs.placements(control, actor, workload),
        reason=view.waiting_for,
        spec=_spec(view.workload),
        sums=[] if visitor.operates_site else overview.sums(control, actor, workload),
        names=overview.names(control, actor),
        curve=charts.curve(_traces(control, actor, view.workload.project, records)) if sees else None,
        log=text,
        waits=not sees and _waits(control, visitor, view.workload.project),
        tail=tail,
    )


def _spec(workload: Workload) -> list[tuple[str, str, bool]]:
    """The specification in words: name, value, and whether the value is code; what is empty is left out."""
    found = []
    for name, value in codec.dump(workload.spec).items():
        if value in ("", [], {}, None):
            continue
        if name == "resources":
            found.append((name, _resources(workload.resources), False))
        elif name == "software":
            found.append((name, " ".join(value.values()), False))
        elif name == "command":
            found.append((name, shlex.join(value), True))
        elif isinstance(value, dict | list):
            found.append((words(name), json.dumps(value, ensure_ascii=False, indent=2), True))
        elif isinstance(value, bool):
            found.append((name, "yes" if value else "no", False))
        elif name.endswith("_s"):
            found.append((words(name[:-2]), span(value * 1000), False))
        elif name == "disk_bytes":
            found.append(("disk", size(value), False))
        elif name.endswith("_at_ms"):
            found.append((words(name[:-6]), iso(value), False))
        else:
            found.append((words(name), words(value) if name == "purpose" else str(value), False))
    return found


def _resources(wanted: Resources) -> str:
    devices = f"{wanted.devices:,} {'device' if wanted.devices == 1 else 'devices'}"
    parts = [devices if wanted.nodes == 1 else f"{wanted.nodes:,} nodes with {devices} each"]
    if wanted.accelerators:
        parts.append(" or ".join(wanted.accelerators))
    if wanted.cpu_milli:
        parts.append(f"{wanted.cpu_milli / 1000:g} cores a node")
    if wanted.memory_bytes:
        parts.append(f"{size(wanted.memory_bytes)} of memory a node")
    return ", ".join(parts)


def _waits(control: Control, visitor: Visitor, project: str) -> bool:
    """Whether the visitor has asked to look at this project, and waits for a yes."""
    if not (visitor.operates or visitor.operates_site):
        return False
    return any(
        item.state is InspectionState.ASKED
        and item.inspection.project == project
        and item.inspection.asked_by == visitor.actor.id
        for item in inspection.listing(control, visitor.actor)
    )


def _traces(control: Control, actor: Actor, project: str, records: list[RunRecord]) -> list[charts.Trace]:
    found = []
    for record in records[-TRACES_MAX:]:
        inspection.look(control, actor, project, f"{record.run.id}/{Stream.PROGRESS.value}", record.run.site)
        data = b""
        while len(data) < PROGRESS_BYTES_MAX:
            piece, _ = control.logs.read(record.run.id, Stream.PROGRESS, len(data))
            if not piece:
                break
            data += piece
        found.append(charts.read_trace(record.run.attempt, data))
    return found


def _log(
    control: Control, actor: Actor, workload: str, run: str | None, offset: int | None
) -> tuple[str, dict[str, object]]:
    """A piece of a run's log, and where to go on: after it, or at the beginning of a newer run.

    Without an offset, the last piece of what is there.
    """
    runs = [record.run for record in jobs.records(control, actor, workload)]
    if not runs:
        return "", {"run": "", "offset": 0, "more": False}
    chosen = run or runs[-1].id
    written = control.logs.size(chosen, Stream.LOG)
    start = max(0, written - LOG_BYTES) if offset is None else offset
    data, following, _ = jobs.output_of(control, actor, workload, chosen, Stream.LOG, start, LOG_BYTES)
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    text = _CONTROLS.sub("", decoder.decode(data))
    # A character that is cut in two is left for the next piece.
    following -= len(decoder.getstate()[0])
    if start and offset is None:
        text = "… what came before is left out here …\n" + text.split("\n", 1)[-1]
    ended = next(item.ended for item in runs if item.id == chosen)
    if not data and ended and chosen != runs[-1].id:
        newest = runs[-1]
        return f"\n── run {newest.attempt} at {newest.site} ──\n", {
            "run": newest.id,
            "offset": 0,
            "more": True,
        }
    return text, {"run": chosen, "offset": following, "more": len(data) == LOG_BYTES}


@router.get(
    "/workloads/{workload}/log", dependencies=[guard(Policy(OPERATORS | TENANT_PEOPLE, Reach.CONTENT))]
)
def log_tail(
    workload: str,
    visitor: Seen,
    control: ControlOf,
    run: Filter = "",
    offset: Annotated[int, Query(ge=0, le=2**53)] = 0,
) -> HTMLResponse:
    """What a log has beyond an offset, with the mark that asks for what comes after it."""
    text, tail = _log(control, visitor.actor, workload, run or None, offset)
    template = environment().get_template("log.html")
    return HTMLResponse(template.render(log=text, tail=tail, workload=workload))


@router.post(
    "/workloads/{workload}/cancel", dependencies=[guard(Policy(PLATFORM | TENANT_PEOPLE, Reach.TENANT))]
)
def cancel(workload: str, visitor: Posting, control: ControlOf) -> Response:
    """Stop wanting it."""
    jobs.cancel(control, visitor.actor, workload)
    return RedirectResponse(f"/workloads/{workload}", status_code=303)
