"""What control pushes to a gateway, and what a gateway hands back.

Control answers a gateway's sync with a *lease*: everything the gateway may rely on, signed by
control, with an epoch and an end. After the end the gateway refuses everything. Usage goes the
other way from the gateway's journal, with its identity and sequence numbers.
"""

from pydantic import Field

from bruk.model.switch import Acknowledgement, Hold
from bruk.model.tenant import RateLimits
from bruk.wire.agent import Count, Shape

LEASE_KIND = "gateway_lease"  # of the sealed document that carries a lease


def subjects(key: str, project: str) -> tuple[str, str, str]:
    """Whose limits a call falls under, by the names that a lease and messages give them."""
    return f"key {key}", f"project {project}", f"tenant {project.partition('/')[0]}"


class KeyGrant(Shape):
    """A key the gateway may accept: its hash, and whose it is."""

    id: str
    secret_hash: str
    project: str
    expires_at_ms: int | None = None


class ProjectGrant(Shape):
    """What a project may do at this gateway.

    Attributes:
        allowed_here: False when its residency keeps it from the gateway's own site.
        refusal: the rule in words, when not allowed.
        sites: sites whose replicas it may use.
        slice_microeur: budget granted to this gateway so far, over all time; None: no limit.
        settled_microeur: what this gateway has used of it as the ledger has it, covering its
            journal up to ``UsageAnswer.acknowledged_seq``.
    """

    id: str
    tenant: str
    allowed_here: bool
    refusal: str = ""
    sites: list[str]
    slice_microeur: int | None = None
    settled_microeur: int = 0


class ReplicaRoute(Shape):
    """One replica: where it is and the bearer token that it demands."""

    run: str
    site: str
    address: str
    key: str


class TokenPrice(Shape):
    """Price of one million tokens [EUR * 1e-6], with its version."""

    price_microeur: Count
    version: int


class ModelRoute(Shape):
    """An endpoint under the name that clients call.

    Attributes:
        upstream_model: the name by which the replica's server knows its model.
        tenants: who may call it; ``*`` is everyone.
        price_in, price_out: None when there is no price, and then the request is refused.
    """

    name: str
    endpoint: str
    model: str
    upstream_model: str
    owner_project: str
    tenants: list[str]
    context_tokens: Count
    replicas: list[ReplicaRoute]
    price_in: TokenPrice | None = None
    price_out: TokenPrice | None = None
    created_at_ms: Count = 0


class Lease(Shape):
    """Everything a gateway may rely on until ``until_ms``; signed as a sealed document.

    Attributes:
        epoch: rises with every lease; an older one is never taken over a newer.
        until_ms: end for keys and switches, by control's clock [ms].
        limits: this gateway's part of the limits on calls, by subject (see ``subjects``); who is not
            named is not limited.
        settled_through_seq: the gateway's journal is in the ledger up to here.
    """

    gateway: str
    site: str
    epoch: Count
    issued_at_ms: Count
    until_ms: Count
    generation: Count
    holds: list[Hold]
    keys: list[KeyGrant]
    projects: list[ProjectGrant]
    models: list[ModelRoute]
    limits: dict[str, RateLimits] = Field(default_factory=dict)
    settled_through_seq: Count = 0


class UsageRecord(Shape):
    """What one request used; journalled durably before the client sees its end.

    Attributes:
        seq: in the gateway's journal.
        price_in_version, price_out_version: under which it was admitted and is billed.
        status: ``complete``, ``client_gone``, ``upstream_failed``, ``budget_ended`` or
            ``gateway_ended`` (cut when the gateway was stopped or its lease had ended).
        estimated: the engine never reported usage, so tokens were counted from the stream.
    """

    seq: Count
    request: str
    at_ms: Count
    from_ms: Count
    key: str
    project: str
    model: str
    endpoint: str
    run: str
    site: str
    tokens_in: Count
    tokens_out: Count
    price_in_microeur: Count
    price_in_version: int
    price_out_microeur: Count
    price_out_version: int
    status: str = "complete"
    estimated: bool = False


class GatewaySync(Shape):
    """What a gateway sends: usage not yet acknowledged, and what it has carried out.

    Attributes:
        usage_after: ``usage`` follows on this number of the journal without a gap. A control that has
            less (it was restored from a backup) takes none and says up to where it has it.
    """

    gateway: str
    journal: str
    now_ms: Count
    known_epoch: Count = 0
    known_version: Count = 0
    wait_ms: Count = 0
    usage: list[UsageRecord] = Field(default_factory=list, max_length=5000)
    usage_after: Count = 0
    acknowledgement: Acknowledgement


class GatewayAnswer(Shape):
    """Control's answer: the signed lease, and up to where the usage is in the ledger.

    ``lease`` is a sealed document (see ``seal``) whose body is a :class:`Lease`; ``handovers`` are the
    statements by which the key that signed it followed those before it.
    """

    version: Count
    lease: dict[str, object]
    acknowledged_seq: Count
    handovers: list[dict[str, object]] = Field(default_factory=list)
