"""Who pays, who belongs to whom, and where their data may go."""

from dataclasses import dataclass, field
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Residency:
    """Where a tenant's or a project's work and data may be. Empty means: no limit of that sort.

    A project's residency only ever narrows its tenant's.
    """

    countries: tuple[str, ...] = ()
    operators: tuple[str, ...] = ()
    sites: tuple[str, ...] = ()

    def refusal(self, country: str, operator: str, site: str) -> str | None:
        """The rule that refuses this place, in words, or None when it is allowed."""
        if self.countries and country not in self.countries:
            return f"country {country} is not among {', '.join(self.countries)}"
        if self.operators and operator not in self.operators:
            return f"operator {operator} is not among {', '.join(self.operators)}"
        if self.sites and site not in self.sites:
            return f"site {site} is not among {', '.join(self.sites)}"
        return None

    def narrowed(self, other: "Residency") -> "Residency":
        """Both rules at once: a place is allowed only if each allows it.

        When two lists have nothing in common the result names an impossible place (``-``), since
        an empty tuple would mean that everything is allowed.
        """

        def both(mine: tuple[str, ...], theirs: tuple[str, ...]) -> tuple[str, ...]:
            if not mine or not theirs:
                return mine or theirs
            return tuple(item for item in mine if item in theirs) or ("-",)

        return Residency(
            both(self.countries, other.countries),
            both(self.operators, other.operators),
            both(self.sites, other.sites),
        )


@dataclass(frozen=True, slots=True)
class Tenant:
    """Who pays.

    Attributes:
        weight: share in fair scheduling relative to other tenants.
        budget_microeur: most that may be spent; None means the tenant pays what it uses.
        grant_device_ms: device time granted; None means not limited by a grant.
    """

    name: str
    display_name: str
    residency: Residency = field(default_factory=Residency)
    weight: int = 1
    budget_microeur: int | None = None
    grant_device_ms: int | None = None
    created_at_ms: int = 0


@dataclass(frozen=True, slots=True)
class Project:
    """A piece of a tenant's work with its own members, keys and limits.

    Attributes:
        id: ``tenant/name``.
        residency: narrows the tenant's.
        quota_devices: most devices held at once; None means not limited.
    """

    tenant: str
    name: str
    display_name: str
    residency: Residency = field(default_factory=Residency)
    quota_devices: int | None = None
    budget_microeur: int | None = None
    created_at_ms: int = 0

    @property
    def id(self) -> str:
        return f"{self.tenant}/{self.name}"


class Role(StrEnum):
    """What a person may do. An operator's role may be limited to one site."""

    OPERATOR = "operator"
    AUDITOR = "auditor"
    TENANT_ADMIN = "tenant_admin"
    MEMBER = "member"


@dataclass(frozen=True, slots=True)
class User:
    """A person. Only this row says who they are; records elsewhere refer to ``id``."""

    id: str
    name: str
    role: Role
    tenant: str | None = None
    site: str | None = None
    disabled: bool = False
    created_at_ms: int = 0


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A project's key for the gateway and the API. The secret is stored only as its hash.

    Attributes:
        prefix: the first characters of the secret, so that people can tell keys apart.
        secret_hash: SHA-256 of the whole secret, hex.
    """

    id: str
    project: str
    name: str
    prefix: str
    secret_hash: str
    created_at_ms: int
    expires_at_ms: int | None = None
    disabled: bool = False


@dataclass(frozen=True, slots=True)
class Actor:
    """Who is asking: a person, a key, an agent, a gateway or the system itself.

    Attributes:
        kind: ``user``, ``key``, ``agent``, ``gateway`` or ``system``.
        id: the user's, key's, site's or gateway's identifier.
        role: None for agents, gateways and the system.
    """

    kind: str
    id: str
    role: Role | None = None
    tenant: str | None = None
    project: str | None = None
    site: str | None = None


SYSTEM = Actor("system", "control")
