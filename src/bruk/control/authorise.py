"""Who may do what. Every command begins with one of these questions.

A caller who may not even see a thing hears that there is none, so that nothing leaks about other
tenants; a caller who may see it but not do it hears that it is not allowed. An operator of one site
is an operator there and nobody elsewhere. Look next at ``inspection`` for what tenants' work wrote and
holds, which even operators see only by a request.
"""

from bruk.model.errors import Forbidden, NotFound
from bruk.model.run import Run
from bruk.model.tenant import Actor, Role

_PLATFORM_READERS = (Role.OPERATOR, Role.AUDITOR)


def _is_system(actor: Actor) -> bool:
    return actor.kind == "system"


def runs_platform(actor: Actor) -> bool:
    """Whether the caller is an operator of the whole platform, or the system itself."""
    return _is_system(actor) or (actor.role is Role.OPERATOR and actor.site is None)


def reads_platform(actor: Actor) -> bool:
    """Whether the caller sees the whole platform: its operators and its auditors."""
    return _is_system(actor) or (actor.role in _PLATFORM_READERS and actor.site is None)


def site_of(actor: Actor) -> str | None:
    """The one site that the caller operates; None for everybody else."""
    return actor.site if actor.role is Role.OPERATOR else None


def operate(actor: Actor, what: str, site: str | None = None) -> None:
    """Only operators of the platform, and of ``site`` where it is theirs alone.

    Raises:
        Forbidden: the caller is neither.
    """
    if runs_platform(actor) or (site is not None and site_of(actor) == site):
        return
    if site_of(actor):
        raise Forbidden(f"an operator of {actor.site} alone may not {what} beyond it", needs="operator")
    raise Forbidden(f"only an operator may {what}", needs="operator")


def audit(actor: Actor, what: str) -> None:
    """Operators and auditors of the platform.

    Raises:
        Forbidden: the caller is neither.
    """
    if not reads_platform(actor):
        raise Forbidden(f"only an operator of the platform or an auditor may {what}", needs="auditor")


def oversee(actor: Actor, what: str) -> None:
    """Operators and auditors of the platform, and an operator of one site, who sees what is of it.

    Raises:
        Forbidden: the caller is none of them.
    """
    if not site_of(actor):
        audit(actor, what)


def may_read(actor: Actor, tenant: str, project: str | None = None) -> bool:
    """Whether the caller may see things of this tenant (and project)."""
    if reads_platform(actor):
        return True
    if actor.kind == "key":
        return actor.project == project if project is not None else actor.tenant == tenant
    return actor.kind == "user" and actor.tenant == tenant


def may_see_run(actor: Actor, run: Run) -> bool:
    """Whether the caller may know of a run: it is theirs to read, or it is at the site they operate."""
    return may_read(actor, run.tenant, run.project) or site_of(actor) == run.site


def may_see_site(actor: Actor, site: str) -> bool:
    """Where work may run is no secret; an operator of one site sees that one."""
    return site_of(actor) in (None, site)


def see_site(actor: Actor, site: str) -> None:
    """Whoever may see this site.

    Raises:
        NotFound: the caller operates another.
    """
    if not may_see_site(actor, site):
        raise NotFound(f"there is no site {site!r}", what="site", id=site)


def read(actor: Actor, tenant: str, project: str | None, what: str, identifier: str) -> None:
    """Whoever may see things of this tenant (and project).

    Raises:
        NotFound: the caller may not, and does not learn whether it exists.
    """
    if not may_read(actor, tenant, project):
        raise NotFound(f"there is no {what} {identifier!r}", what=what, id=identifier)


def administer(actor: Actor, tenant: str, what: str) -> None:
    """Operators, and administrators of the tenant.

    Raises:
        NotFound: it is another tenant's.
        Forbidden: the caller belongs to the tenant without being its administrator.
    """
    if runs_platform(actor):
        return
    read(actor, tenant, None, "tenant", tenant)
    if not (actor.role is Role.TENANT_ADMIN and actor.tenant == tenant):
        raise Forbidden(f"only an administrator of {tenant} may {what}", needs="tenant_admin")


def work(actor: Actor, project: str, what: str) -> None:
    """Whoever may submit work to this project: its keys, its tenant's people, operators.

    Raises:
        NotFound: it is another tenant's or another project's.
        Forbidden: the caller only reads.
    """
    tenant = project.split("/", 1)[0]
    if runs_platform(actor):
        return
    read(actor, tenant, project, "project", project)
    if actor.role is Role.AUDITOR:
        raise Forbidden(f"an auditor may not {what}", needs="member")
