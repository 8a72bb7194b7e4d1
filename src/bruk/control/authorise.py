"""Who may do what. Every command begins with one of these questions.

A caller who may not even see a thing hears that there is none, so that nothing leaks about other
tenants; a caller who may see it but not do it hears that it is not allowed.
"""

from bruk.model.errors import Forbidden, NotFound
from bruk.model.tenant import Actor, Role

_PLATFORM_READERS = (Role.OPERATOR, Role.AUDITOR)


def _is_system(actor: Actor) -> bool:
    return actor.kind == "system"


def operate(actor: Actor, what: str) -> None:
    """Only operators.

    Raises:
        Forbidden: the caller is not one.
    """
    if not (_is_system(actor) or actor.role is Role.OPERATOR):
        raise Forbidden(f"only an operator may {what}", needs="operator")


def audit(actor: Actor, what: str) -> None:
    """Operators and auditors.

    Raises:
        Forbidden: the caller is neither.
    """
    if not (_is_system(actor) or actor.role in _PLATFORM_READERS):
        raise Forbidden(f"only an operator or an auditor may {what}", needs="auditor")


def may_read(actor: Actor, tenant: str, project: str | None = None) -> bool:
    """Whether the caller may see things of this tenant (and project)."""
    if _is_system(actor) or actor.role in _PLATFORM_READERS:
        return True
    if actor.kind == "key":
        return actor.project == project if project is not None else actor.tenant == tenant
    return actor.kind == "user" and actor.tenant == tenant


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
    if _is_system(actor) or actor.role is Role.OPERATOR:
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
    if _is_system(actor) or actor.role is Role.OPERATOR:
        return
    read(actor, tenant, project, "project", project)
    if actor.role is Role.AUDITOR:
        raise Forbidden(f"an auditor may not {what}", needs="member")
