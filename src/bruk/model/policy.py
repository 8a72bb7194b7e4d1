"""Who may call a route or a page, and whose things its ids may be: declared beside each, in one vocabulary.

The doors refuse by ``who`` at once; ``reach`` says what ``control`` then decides with the ids at hand, and a
test walks every route and page with every caller and holds what happens against both. A policy never opens
what ``control`` refuses. Look next at ``control.authorise``.
"""

from dataclasses import dataclass
from enum import StrEnum

from bruk.model.errors import Forbidden
from bruk.model.tenant import Actor, Role


class Who(StrEnum):
    """A kind of caller."""

    PLATFORM_OPERATOR = "platform operator"  # an operator of the whole platform
    SITE_OPERATOR = "site operator"  # an operator of one site
    AUDITOR = "auditor"  # reads records, changes nothing
    TENANT_ADMIN = "tenant admin"  # administers one tenant
    MEMBER = "member"  # works for one tenant
    KEY = "project key"  # a program with a project's API key
    AGENT = "agent"  # a site's agent
    GATEWAY = "gateway"  # a gateway


class Reach(StrEnum):
    """Whose things a caller may name there, in the path or the body."""

    PLATFORM = "platform"  # no ids, or ids of what belongs to the platform: whoever may call reaches all
    OWN = "own part"  # no ids: each caller gets or changes their own part
    SITE = "site"  # ids of a site's things: a site operator or an agent reaches their own site's
    TENANT = "tenant"  # ids of a tenant's things: its people and keys reach their own tenant's
    PROJECT = "project"  # as tenant, and a key reaches its own project's alone
    RUN = "run"  # as project, and a site operator reaches what runs or ran at their site
    CONTENT = "content"  # as run, and operators reach it only by an access request
    PERSON = "person"  # ids of a person's: themselves, and whoever administers or audits them


@dataclass(frozen=True, slots=True)
class Policy:
    """What one route or page declares. ``who`` is empty only where it is open to anybody."""

    who: frozenset[Who]
    reach: Reach

    @property
    def open(self) -> bool:
        """Whether anybody may call, known or not."""
        return not self.who

    def admit(self, actor: Actor, what: str) -> None:
        """Let the caller through the door, or not.

        Raises:
            Forbidden: their kind may not call this at all, whatever the ids.
        """
        if not self.open and who(actor) not in self.who:
            allowed = ", ".join(f"{kind.value}s" for kind in Who if kind in self.who)
            raise Forbidden(f"this is for {allowed} only: {what}")


def who(actor: Actor) -> Who:
    """What kind of caller this is."""
    if actor.kind != "user":
        return {"key": Who.KEY, "agent": Who.AGENT, "gateway": Who.GATEWAY}[actor.kind]
    match actor.role:
        case Role.OPERATOR:
            return Who.PLATFORM_OPERATOR if actor.site is None else Who.SITE_OPERATOR
        case Role.AUDITOR:
            return Who.AUDITOR
        case Role.TENANT_ADMIN:
            return Who.TENANT_ADMIN
        case _:
            return Who.MEMBER


PLATFORM = frozenset({Who.PLATFORM_OPERATOR})
OPERATORS = PLATFORM | {Who.SITE_OPERATOR}
READERS = PLATFORM | {Who.AUDITOR}
OVERSEERS = OPERATORS | {Who.AUDITOR}
TENANT_ADMINS = frozenset({Who.TENANT_ADMIN})
TENANT_PEOPLE = TENANT_ADMINS | {Who.MEMBER}
TENANTS = TENANT_PEOPLE | {Who.KEY}
ADMINS = PLATFORM | TENANT_ADMINS
WORKERS = PLATFORM | TENANTS
PEOPLE = OVERSEERS | TENANT_PEOPLE
EVERYBODY = PEOPLE | {Who.KEY}
AGENTS = frozenset({Who.AGENT})
GATEWAYS = frozenset({Who.GATEWAY})
OPEN = Policy(frozenset(), Reach.PLATFORM)
