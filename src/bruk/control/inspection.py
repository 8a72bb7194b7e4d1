"""Tenants' content before operators' eyes: only by a request with a reason and a limited time.

Content is what a tenant's work wrote and holds: logs, progress, artifacts, and so models. What operating
needs (names, states, sizes, metering) is none. An auditor sees records and never content. Every thing that
is looked at is written down with who looked and under which request, before it is given out. Nothing here
may give content itself; ``jobs`` and ``data`` ask ``look`` first.
"""

from dataclasses import replace

from bruk.control import authorise
from bruk.control.control import Control
from bruk.model.errors import Conflict, Forbidden, NotFound
from bruk.model.inspection import (
    AccessNeeded,
    Inspection,
    InspectionState,
    InspectionUse,
    OperatorAccess,
)
from bruk.model.tenant import Actor, Role, Tenant
from bruk.store import inspection as store
from bruk.store import people, work
from bruk.store.database import Connection
from bruk.wire.access import InspectionBody
from bruk.wire.answers import AccessRequest


def belongs(actor: Actor, project: str) -> bool:
    """Whether the content of this project is the caller's own: its tenant's people, its keys, the system."""
    return actor.kind == "system" or (
        actor.role is not None
        and actor.tenant is not None
        and authorise.may_read(actor, project.split("/")[0], project)
    )


def may_look(control: Control, actor: Actor, project: str, run_site: str | None = None) -> bool:
    """Whether ``look`` would let the caller see content of this project (and site) now."""
    return belongs(actor, project) or _open(control, actor, project, run_site) is not None


def look(control: Control, actor: Actor, project: str, what: str, run_site: str | None = None) -> None:
    """The caller is about to be given content; refuses, or writes down that it was.

    Args:
        what: the thing itself, such as ``run_1/log``.
        run_site: where the run is that wrote it, if one did.

    Raises:
        AccessNeeded: an operator without an open request; the message says how to ask.
        Forbidden: an auditor.
    """
    if belongs(actor, project):
        return
    with control.refusals(actor, "content.read", what):
        if actor.role is Role.AUDITOR:
            raise Forbidden("an auditor sees records, and never what tenants' work wrote or holds")
        found = _open(control, actor, project, run_site)
        if found is None:
            raise AccessNeeded(
                f"this is {project}'s own; operators see it for a reason and for a time: 'bruk access "
                f'request --project {project} --reason "…" --for 1h\'',
                project=project,
            )
    if any(use.what == what for use in found.uses):
        return
    with control.change(actor, "content.read", what, access=found.id, project=project) as change:
        known = store.get(change.connection, found.id)
        # Two requests at once may both find it new; the second has nothing left to write down.
        if all(use.what != what for use in known.uses):
            store.add_use(change.connection, InspectionUse(found.id, what, change.now_ms))


def _open(control: Control, actor: Actor, project: str, run_site: str | None) -> Inspection | None:
    if actor.role is not Role.OPERATOR or actor.kind != "user":
        return None
    now_ms = control.clock.now_ms()
    with control.read() as connection:
        mine = store.inspections(connection, asked_by=actor.id, of_project=project)
    site = authorise.site_of(actor)
    for item in mine:
        if item.state(now_ms) is InspectionState.GRANTED and site in (None, run_site) and item.site == site:
            return item
    return None


def ask(control: Control, actor: Actor, body: InspectionBody) -> AccessRequest:
    """Ask to look at a project's content; open at once unless the tenant demands to approve.

    Raises:
        Forbidden: the caller is no operator.
        NotFound: there is no such project, or an operator of one site has none of its runs there.
    """
    with control.change(actor, "access.request", body.project, reason=body.reason) as change:
        if actor.role is not Role.OPERATOR:
            raise Forbidden("only an operator asks for access to what a tenant holds", needs="operator")
        site = authorise.site_of(actor)
        if site is not None and not _works_at(change.connection, body.project, site):
            raise NotFound(f"{body.project} has no run at {site}", what="project", id=body.project)
        tenant = people.get_tenant(
            change.connection, people.get_project(change.connection, body.project).tenant
        )
        asked = Inspection(
            control.clock.new_id("acc"),
            body.project,
            actor.id,
            change.now_ms,
            body.reason,
            body.life_ms,
            site,
        )
        if tenant.operator_access is OperatorAccess.AUDITED:
            asked = _granted(asked, actor, change.now_ms)
        store.add(change.connection, asked)
        change.target = asked.id
        change.detail.update(project=body.project, life_ms=body.life_ms, granted=asked.granted_by is not None)
        return _shown(change.connection, asked, change.now_ms)


def _shown(connection: Connection, found: Inspection, now_ms: int) -> AccessRequest:
    return AccessRequest(found, found.state(now_ms), people.get_user(connection, found.asked_by).name)


def _works_at(connection: Connection, project: str, site: str) -> bool:
    return any(record.run.project == project for record in work.runs(connection, site=site))


def _granted(asked: Inspection, by: Actor, now_ms: int) -> Inspection:
    return replace(asked, granted_by=by.id, granted_at_ms=now_ms, expires_at_ms=now_ms + asked.life_ms)


def approve(control: Control, actor: Actor, inspection_id: str) -> AccessRequest:
    """An administrator of the tenant says yes; its time begins now.

    Raises:
        Forbidden: the caller does not administer the tenant. Not even an operator of the platform may.
        Conflict: it is open, ended or expired already.
    """
    _require_seen(control, actor, inspection_id)
    with control.change(actor, "access.approve", inspection_id) as change:
        found = store.get(change.connection, inspection_id)
        tenant = found.project.split("/")[0]
        if not (actor.role is Role.TENANT_ADMIN and actor.tenant == tenant):
            raise Forbidden(f"only an administrator of {tenant} may approve this", needs="tenant_admin")
        state = found.state(change.now_ms)
        if state is not InspectionState.ASKED:
            raise Conflict(f"{inspection_id} is {state.value} already", id=inspection_id)
        found = _granted(found, actor, change.now_ms)
        store.write_anew(change.connection, found)
        return _shown(change.connection, found, change.now_ms)


def end(control: Control, actor: Actor, inspection_id: str) -> AccessRequest:
    """End it before its time, or say no; whoever asked, the tenant's administrators, operators.

    Raises:
        Conflict: it is over already.
    """
    _require_seen(control, actor, inspection_id)
    with control.change(actor, "access.end", inspection_id) as change:
        if actor.role is Role.AUDITOR:
            raise Forbidden("an auditor may not end access requests", needs="operator")
        found = store.get(change.connection, inspection_id)
        state = found.state(change.now_ms)
        if state not in (InspectionState.ASKED, InspectionState.GRANTED):
            raise Conflict(f"{inspection_id} is {state.value} already", id=inspection_id)
        found = replace(found, ended_by=actor.id, ended_at_ms=change.now_ms)
        store.write_anew(change.connection, found)
        return _shown(change.connection, found, change.now_ms)


def _may_see(actor: Actor, found: Inspection) -> bool:
    if authorise.reads_platform(actor) or (actor.kind == "user" and found.asked_by == actor.id):
        return True
    return actor.role is Role.TENANT_ADMIN and actor.tenant == found.project.split("/")[0]


def _require_seen(control: Control, actor: Actor, inspection_id: str) -> None:
    missing = NotFound(
        f"there is no access request {inspection_id!r}", what="access request", id=inspection_id
    )
    with control.read() as connection:
        try:
            found = store.get(connection, inspection_id)
        except NotFound:
            raise missing from None
    if not _may_see(actor, found):
        raise missing


def listing(control: Control, actor: Actor) -> list[AccessRequest]:
    """The requests that the caller may see with what was looked at, the newest first: operators and
    auditors all, a tenant's administrators those about it, an operator of one site their own.

    Raises:
        Forbidden: the caller is none of them.
    """
    if actor.role not in (Role.OPERATOR, Role.AUDITOR, Role.TENANT_ADMIN):
        raise Forbidden(
            "only a tenant's administrators, operators and auditors see access requests", needs="tenant_admin"
        )
    with control.read() as connection:
        now_ms = control.clock.now_ms()
        found = store.inspections(connection, tenant=actor.tenant)
        return [_shown(connection, item, now_ms) for item in found if _may_see(actor, item)]


def demand(control: Control, actor: Actor, tenant: str, wanted: OperatorAccess) -> Tenant:
    """What the tenant demands before operators look; its own administrators alone say.

    Raises:
        Forbidden: the caller is none.
        NotFound: it is another tenant's.
    """
    authorise.read(actor, tenant, None, "tenant", tenant)
    with control.change(actor, "access.demand", tenant, operator_access=wanted.value) as change:
        if not (actor.role is Role.TENANT_ADMIN and actor.tenant == tenant):
            raise Forbidden(
                f"only an administrator of {tenant} may say who looks at its content", needs="tenant_admin"
            )
        changed = replace(people.get_tenant(change.connection, tenant), operator_access=wanted)
        people.replace_tenant(change.connection, changed)
    return changed
