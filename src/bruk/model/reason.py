"""Why a workload waits: typed reasons, with counts and advice that unblocks it when followed."""

from dataclasses import dataclass, field
from enum import StrEnum


class ReasonCode(StrEnum):
    """What a workload waits for. The order is the order in which filters are tried."""

    RESIDENCY = "residency"  # the project's law allows no site (that would do)
    SITE_CHOICE = "site_choice"  # the workload itself asked for sites that do not exist or refuse
    HELD = "held"  # a hold stands
    SITE_AWAY = "site_away"  # the agent of every possible site is away
    NETWORK = "network"  # it declares destinations that no site's operator allows, or keeps runs to
    ISOLATION = "isolation"  # the site cannot keep two tenants apart and nobody accepted that
    ACCELERATOR = "accelerator"  # no node has the asked accelerator
    NODE_HEALTH = "node_health"  # nodes are drained or unhealthy
    TOO_LARGE = "too_large"  # more than the site could ever give, even when empty
    PRICE = "price"  # the accelerator or model has no price
    BUDGET = "budget"  # the budget does not cover the time limit's worth
    GRANT = "grant"  # the grant of device time is used up
    QUOTA = "quota"  # the project holds as many devices as it may
    BACKOFF = "backoff"  # waiting after a failed attempt
    INPUTS = "inputs"  # an input does not exist yet
    POWER = "power"  # its site would draw more than its power limit
    DEFERRED = "deferred"  # its deadline leaves time, and there are greener hours
    CAPACITY = "capacity"  # everything that would do is in use


@dataclass(frozen=True, slots=True)
class SiteRefusal:
    """Why one site was not taken: the first filter that refused, in words, with node counts."""

    site: str
    code: ReasonCode
    detail: str
    nodes_total: int = 0
    nodes_refused: dict[ReasonCode, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a workload waits.

    Attributes:
        code: the decisive one: of the site that came furthest through the filters.
        summary: one sentence for people.
        advice: what to do; following it unblocks the workload.
        sites: site by site.
        not_before_ms: earliest moment at which something is known to change; None if unknown.
        room_by_ms: when there is room by the time limits of what runs, unless work ends early or
            others go first [ms]; None if unknown.
    """

    code: ReasonCode
    summary: str
    advice: str
    sites: tuple[SiteRefusal, ...] = ()
    not_before_ms: int | None = None
    room_by_ms: int | None = None
