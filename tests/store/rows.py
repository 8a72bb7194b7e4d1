"""A few rows that others refer to."""

from typing import Any

from bruk.model.ledger import AuditEntry, LedgerEntry, Resource
from bruk.model.site import Site
from bruk.model.tenant import Project, Tenant
from bruk.store import people, places
from bruk.store.database import Connection

AT_MS = 1_800_000_000_000


def owners(connection: Connection, *names: str) -> None:
    """Tenants with a project ``lab`` each, and a site."""
    for name in names or ("acme",):
        people.add_tenant(connection, Tenant(name, name, created_at_ms=AT_MS))
        people.add_project(connection, Project(name, "lab", "lab", created_at_ms=AT_MS))
    places.add_site(connection, Site("essonne", "Essonne", "FR", "FR", "Bruk"), "hash of the token")


def entry(key: str, **more: Any) -> LedgerEntry:
    """A ledger entry of project acme/lab."""
    content: dict[str, Any] = {
        "at_ms": AT_MS,
        "from_ms": AT_MS - 1000,
        "to_ms": AT_MS,
        "tenant": "acme",
        "project": "acme/lab",
        "site": "essonne",
        "resource": Resource.DEVICE_TIME,
        "item": "h100-sxm",
        "quantity": 1000,
        "price_microeur": 3_600_000,
        "price_version": 1,
        "amount_microeur": 1000,
    }
    return LedgerEntry(seq=0, key=key, **{**content, **more})


def audit_entry(action: str = "job.submit", **detail: object) -> AuditEntry:
    return AuditEntry(0, AT_MS, "user", "user_1", action, "job_1", "done", detail)
