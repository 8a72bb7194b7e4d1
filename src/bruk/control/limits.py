"""Limits on calls of models: each gateway's part of them. `tenancy` and `access` change them."""

from dataclasses import fields

from bruk.model.tenant import RateLimits
from bruk.store import people, places
from bruk.store.database import Connection
from bruk.wire.gateway import subjects


def parts(connection: Connection, gateway: str, now_ms: int) -> dict[str, RateLimits]:
    """What this gateway may let through, by subject.

    Gateways do not speak with each other, so each that has a lease gets an equal part, and at least one of
    what is limited at all.
    """
    leased = {row.name for row in places.gateways(connection) if (row.lease_until_ms or 0) > now_ms}
    found: dict[str, RateLimits] = {}
    for tenant in people.tenants(connection):
        found[subjects("", tenant.name)[2]] = tenant.limits
    for project in people.projects(connection):
        found[subjects("", project.id)[1]] = project.limits
    for key in people.keys(connection):
        found[subjects(key.id, "")[0]] = key.limits
    return {name: _part(limits, len(leased | {gateway})) for name, limits in found.items() if limits}


def _part(limits: RateLimits, gateways: int) -> RateLimits:
    if gateways == 1:
        return limits
    whole = {field.name: getattr(limits, field.name) for field in fields(limits)}
    return RateLimits(
        **{name: value if not value else max(1, value // gateways) for name, value in whole.items()}
    )
