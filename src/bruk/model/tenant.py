"""Who pays, who belongs to whom, and where their data may go."""

from dataclasses import dataclass, field
from enum import StrEnum

from bruk.model.inspection import OperatorAccess


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
class RateLimits:
    """How often and how much a tenant, a project or a key may call models; None means not limited.

    Attributes:
        requests_per_minute: also the most in one burst.
        tokens_per_minute: prompt bound plus longest answer, corrected when the answer ends.
        concurrent: requests that run at once.
    """

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    concurrent: int | None = None

    def __bool__(self) -> bool:
        return self != RateLimits()

    def __str__(self) -> str:
        parts = (
            (self.requests_per_minute, "requests a minute"),
            (self.tokens_per_minute, "tokens a minute"),
            (self.concurrent, "requests at once"),
        )
        return ", ".join(f"{value:,} {what}" for value, what in parts if value is not None) or "none"


@dataclass(frozen=True, slots=True)
class Tenant:
    """Who pays.

    Attributes:
        weight: share in fair scheduling relative to other tenants.
        budget_microeur: most that may be spent; None means the tenant pays what it uses.
        grant_device_ms: device time granted; None means not limited by a grant.
        operator_access: what must be before operators look at its content; its administrators say.
        quota_devices: devices that it is entitled to; None means not limited.
        borrow_devices: how many more it may hold while other tenants leave them idle; what it has
            borrowed is taken back by preemption.
        limits: on its calls of models, all projects together.
    """

    name: str
    display_name: str
    residency: Residency = field(default_factory=Residency)
    weight: int = 1
    budget_microeur: int | None = None
    grant_device_ms: int | None = None
    created_at_ms: int = 0
    operator_access: OperatorAccess = OperatorAccess.AUDITED
    quota_devices: int | None = None
    borrow_devices: int = 0
    limits: RateLimits = field(default_factory=RateLimits)


@dataclass(frozen=True, slots=True)
class Project:
    """A piece of a tenant's work with its own members, keys and limits.

    Attributes:
        id: ``tenant/name``.
        residency: narrows the tenant's.
        quota_devices: devices that it is entitled to; None means not limited.
        borrow_devices: how many more it may hold while other projects of its tenant leave them idle.
        limits: on its calls of models, all keys together.
    """

    tenant: str
    name: str
    display_name: str
    residency: Residency = field(default_factory=Residency)
    quota_devices: int | None = None
    budget_microeur: int | None = None
    created_at_ms: int = 0
    borrow_devices: int = 0
    limits: RateLimits = field(default_factory=RateLimits)

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

    @property
    def runs_the_platform(self) -> bool:
        """Whether this is an operator of the whole platform who may come in."""
        return self.role is Role.OPERATOR and self.tenant is None and self.site is None and not self.disabled


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A project's key for the gateway and the API. The secret is stored only as its hash.

    Attributes:
        prefix: the first characters of the secret, so that people can tell keys apart.
        secret_hash: SHA-256 of the whole secret, hex.
        old_secret_hash, old_until_ms: the secret before the last rotation, and when it ends [ms].
        last_used_at_ms: to within a minute or so [ms].
        limits: on calls of models with it.
    """

    id: str
    project: str
    name: str
    prefix: str
    secret_hash: str
    created_at_ms: int
    expires_at_ms: int | None = None
    disabled: bool = False
    old_secret_hash: str | None = None
    old_until_ms: int | None = None
    last_used_at_ms: int | None = None
    limits: RateLimits = field(default_factory=RateLimits)

    def ends_at_ms(self, secret_hash: str) -> int | None:
        """When the secret of this hash, one of the key's two, ends; None: never [ms]."""
        if secret_hash == self.secret_hash or self.old_until_ms is None:
            return self.expires_at_ms
        return min(self.old_until_ms, self.expires_at_ms or self.old_until_ms)


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
