"""The switch: raise and release holds; a receipt when every enforcer has answered.

Off begins with one transaction that raises the hold and the switch's generation. From then on the
scheduler places nothing under it, ``enforce`` wants its runs stopped, and gateways and agents get
it with their next exchange, which is under way at once. ``step_receipts`` signs the receipt when
all have acknowledged, or a gateway's lease has ended.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from bruk.control import authorise
from bruk.control.control import Control
from bruk.model.errors import Conflict, InvalidInput, NotFound
from bruk.model.switch import Acknowledgement, EnforcerKind, Hold, HoldScope
from bruk.model.tenant import SYSTEM, Actor
from bruk.model.workload import WorkloadKind
from bruk.reports.receipt import Enforcer, ReceiptHeader, issue_receipt, nothing_is_left, unanswered
from bruk.seal import Checkpoint, SignedDocument
from bruk.store import counters, goods, people, places, records, work
from bruk.store import switch as store
from bruk.store.database import Connection
from bruk.store.places import AgentRow
from bruk.store.switch import ReceiptRow
from bruk.wire import codec
from bruk.wire.answers import SwitchState

GENERATION = "switch_generation"
# A gateway counts its lease from when it arrived, so it may go on for this long after the end that
# control wrote into it: the longest that an answer may be under way.
LEASE_SLACK_MS = 2_000


def state(connection: Connection) -> SwitchState:
    """The switch as it stands."""
    local = local_holds(places.agents(connection))
    return SwitchState(
        counters.value(connection, GENERATION),
        tuple(store.holds(connection)),
        local,
        tuple(store.acknowledgements(connection)),
    )


def local_holds(agents: Sequence[AgentRow]) -> tuple[Hold, ...]:
    """The holds of the sites' own keys, as their agents said them last."""
    return tuple(codec.load(Hold, row.local_hold) for row in agents if row.local_hold)


def state_for(connection: Connection, actor: Actor) -> SwitchState:
    """The switch as far as it concerns the caller; who else is held is not for tenants to know, and
    other sites are not for an operator of one."""
    found = state(connection)
    if authorise.reads_platform(actor):
        return found
    site = authorise.site_of(actor)

    def concerns(hold: Hold) -> bool:
        match hold.scope:
            case HoldScope.PLATFORM:
                return True
            case HoldScope.SITE | HoldScope.LOCAL:
                return site in (None, hold.target)
            case HoldScope.TENANT:
                return actor.tenant == hold.target
            case HoldScope.MODEL:
                project = _project_of_model(connection, hold.target)
                return project is not None and authorise.may_read(actor, project.split("/")[0])

    return SwitchState(
        found.generation,
        tuple(hold for hold in found.holds if concerns(hold)),
        tuple(hold for hold in found.local_holds if concerns(hold)),
        tuple(
            item
            for item in found.acknowledgements
            if site and (item.enforcer.value, item.id) == ("agent", site)
        ),
    )


def _check_target(connection: Connection, scope: HoldScope, target: str) -> None:
    match scope:
        case HoldScope.PLATFORM:
            if target != "*":
                raise InvalidInput("the platform is one: leave the target out", field="target")
        case HoldScope.SITE:
            places.get_site(connection, target)
        case HoldScope.TENANT:
            people.get_tenant(connection, target)
        case HoldScope.MODEL:
            if _project_of_model(connection, target) is None:
                goods.get_model(connection, target)
        case HoldScope.LOCAL:
            raise InvalidInput("a site's own key is turned at the site: 'bruk off --local'", field="scope")


def _project_of_model(connection: Connection, model: str) -> str | None:
    """Whose model this is: one of the registry, or of a server that is attached."""
    found = goods.find_model(connection, model)
    if found is not None:
        return found.project
    open_ = work.workloads(connection, kind=WorkloadKind.ENDPOINT, open_=True)
    return next(
        (item.project for item in open_ if item.endpoint.attached and item.endpoint.model == model), None
    )


def off(control: Control, actor: Actor, scope: HoldScope, target: str, reason: str) -> tuple[Hold, str]:
    """Raise a hold; returns it and the id of the receipt to come.

    Raises:
        Conflict: one stands there already.
    """
    with control.change(actor, "switch.off", f"{scope}/{target}", reason=reason) as change:
        authorise.operate(actor, "turn the switch", target if scope is HoldScope.SITE else None)
        connection = change.connection
        _check_target(connection, scope, target)
        if any(found.scope is scope and found.target == target for found in store.holds(connection)):
            raise Conflict(f"{scope} {target} is off already", scope=scope.value, target=target)
        generation = counters.raise_(connection, GENERATION)
        hold = Hold(control.clock.new_id("hold"), scope, target, generation, actor.id, change.now_ms, reason)
        store.add_hold(connection, hold)
        receipt = _open_receipt(control, connection, hold, "off", generation, change.now_ms)
        change.detail["generation"] = generation
    return hold, receipt


def on(control: Control, actor: Actor, scope: HoldScope, target: str) -> tuple[Hold, str]:
    """Release the hold; returns it and the id of the receipt to come.

    Raises:
        NotFound: none stands there.
    """
    with control.change(actor, "switch.on", f"{scope}/{target}") as change:
        authorise.operate(actor, "turn the switch", target if scope is HoldScope.SITE else None)
        connection = change.connection
        standing = [
            found for found in store.holds(connection) if found.scope is scope and found.target == target
        ]
        if not standing:
            local = any(found.target == target for found in state(connection).local_holds)
            if scope is HoldScope.SITE and local:
                raise NotFound(
                    f"site {target} is not off here; its own key is off, and that is turned at the site: "
                    f"'bruk on --local --site {target}'",
                    what="hold",
                    id=f"{scope}/{target}",
                )
            raise NotFound(f"{scope} {target} is not off", what="hold", id=f"{scope}/{target}")
        generation = counters.raise_(connection, GENERATION)
        hold = replace(
            standing[0],
            released_by=actor.id,
            released_at_ms=change.now_ms,
            released_generation=generation,
        )
        store.replace_hold(connection, hold)
        receipt = _open_receipt(control, connection, hold, "on", generation, change.now_ms)
        change.detail["generation"] = generation
    return hold, receipt


def _open_receipt(
    control: Control, connection: Connection, hold: Hold, action: str, generation: int, now_ms: int
) -> str:
    baseline = {f"{item.enforcer}/{item.id}": codec.dump(item) for item in store.acknowledgements(connection)}
    row = ReceiptRow(control.clock.new_id("rcpt"), hold.id, action, generation, now_ms, False, baseline)
    store.add_receipt(connection, row)
    return row.id


def _enforcers(control: Control, connection: Connection, hold: Hold, row: ReceiptRow) -> list[Enforcer]:
    """Everyone who must carry this out, with counts since the command."""
    now_ms = control.clock.now_ms()
    known = {(item.enforcer, item.id): item for item in store.acknowledgements(connection)}

    def since(kind: EnforcerKind, identifier: str) -> Acknowledgement | None:
        said = known.get((kind, identifier))
        before = row.baseline.get(f"{kind}/{identifier}")
        if said is None or before is None:
            return said
        # A counter below its baseline belongs to an enforcer that started anew since.
        return replace(
            said,
            refused=_growth(said.refused, before["refused"]),
            drained=_growth(said.drained, before["drained"]),
            stopped=_growth(said.stopped, before["stopped"]),
        )

    found = []
    for agent in places.agents(connection):
        # Nothing was ever placed at a site whose agent has never been heard.
        if agent.last_sync_at_ms is None:
            continue
        if hold.scope is not HoldScope.SITE or hold.target == agent.site:
            found.append(Enforcer(EnforcerKind.AGENT, agent.site, since(EnforcerKind.AGENT, agent.site)))
    for gateway in places.gateways(connection):
        # One that never had a lease refuses everything, as one whose lease has ended.
        until_ms = gateway.lease_until_ms
        over = until_ms is None or until_ms + LEASE_SLACK_MS <= now_ms
        ended_ms = (gateway.created_at_ms if until_ms is None else until_ms) if over else None
        said = since(EnforcerKind.GATEWAY, gateway.name)
        found.append(Enforcer(EnforcerKind.GATEWAY, gateway.name, said, ended_ms))
    # What control has not seen end is left, whatever the enforcers count: a run that an agent has not
    # heard of yet, or that went on since the hold was released.
    left = _left(connection, hold) if row.action == "off" else 0
    scheduler = Acknowledgement(
        EnforcerKind.SCHEDULER, "control", row.generation, now_ms, processes_left=left
    )
    found.append(Enforcer(EnforcerKind.SCHEDULER, "control", scheduler))
    return found


def _growth(now: int, before: int) -> int:
    return now - before if now >= before else now


def _write(control: Control, connection: Connection, row: ReceiptRow) -> tuple[dict[str, Any], bool]:
    hold = store.get_hold(connection, row.hold)
    by = hold.raised_by if row.action == "off" else (hold.released_by or "")
    now_ms = control.clock.now_ms()
    header = ReceiptHeader(
        number=row.id,
        action="off" if row.action == "off" else "on",
        scope=hold.scope.value,
        target=hold.target,
        generation=row.generation,
        by=by,
        at_ms=row.created_at_ms,
        issued_at_ms=now_ms,
        reason=hold.reason,
    )
    key = control.signer(connection)
    checkpoint = Checkpoint.sign(records.head(connection, records.AUDIT), now_ms, key)
    body = issue_receipt(
        header, store.holds(connection), _enforcers(control, connection, hold, row), checkpoint.document()
    )
    # A hold that was released before everything had stopped will never see it stop: its receipt ends
    # then, and says what was left.
    over = row.action == "on" or hold.released_at_ms is not None
    complete = not unanswered(body) and (over or nothing_is_left(body))
    return SignedDocument.sign("switch-receipt", body, key).document(), complete


def _left(connection: Connection, hold: Hold) -> int:
    """How many runs under this hold are not known to have ended."""
    count = 0
    workloads = work.under_way(connection)
    for record in work.runs(connection, unsettled=True):
        run = record.run
        spec = workloads[run.workload].spec
        count += not run.ended and hold.covers(run.site, run.tenant, model_of(spec))
    return count


def model_of(spec: Any) -> str:
    """The model that a workload serves or is about; empty if none."""
    return getattr(spec, "evaluates", "") or (spec.model if hasattr(spec, "serving_engine") else "")


def step_receipts(control: Control) -> bool:
    """Sign every open receipt whose enforcers have all answered; True if one was."""
    with control.read() as connection:
        waiting = store.receipts(connection, open_only=True)
    done = False
    for row in waiting:
        with control.read() as connection:
            if not _write(control, connection, row)[1]:
                continue
        with control.database.write() as connection:
            document, complete = _write(control, connection, row)
            if complete:
                store.replace_receipt(connection, replace(row, complete=True, document=document))
                control.audit(connection, SYSTEM, "switch.receipt", row.id, generation=row.generation)
                done = True
    return done


def receipt(control: Control, actor: Actor, receipt_id: str) -> tuple[bool, dict[str, Any]]:
    """Whether the receipt is complete, and the sealed document: final, or as things stand now."""
    authorise.oversee(actor, "read receipts")
    with control.read() as connection:
        row = store.get_receipt(connection, receipt_id)
        if not _is_of(actor, store.get_hold(connection, row.hold)):
            raise NotFound(f"there is no receipt {receipt_id!r}", what="receipt", id=receipt_id)
        if row.complete and row.document is not None:
            return True, row.document
        document, _ = _write(control, connection, row)
        return False, document


def receipts(control: Control, actor: Actor) -> list[ReceiptRow]:
    """The receipts that the caller may see, oldest first."""
    authorise.oversee(actor, "read receipts")
    with control.read() as connection:
        return [
            row for row in store.receipts(connection) if _is_of(actor, store.get_hold(connection, row.hold))
        ]


def _is_of(actor: Actor, hold: Hold) -> bool:
    """Whether the caller oversees what the hold is over: everything, or the one site they operate."""
    site = authorise.site_of(actor)
    return site is None or (hold.scope is HoldScope.SITE and hold.target == site)
