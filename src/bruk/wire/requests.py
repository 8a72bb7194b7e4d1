"""What clients send to ``/api/v1``, with its limits. Each shape makes its domain value.

Numbers are bounded, names checked and unknown fields refused here, at the door, so that commands
below it see only sound input; the types that do so stand in ``fields``.
"""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints

from bruk.model.artifact import Gate, GateRule
from bruk.model.secret import VALUE_BYTES_MAX
from bruk.model.site import CutOffPolicy, PowerLimit
from bruk.model.switch import HoldScope
from bruk.model.tenant import Residency
from bruk.model.workload import EndpointSpec, JobSpec, Purpose, Resources, Software
from bruk.wire.agent import Shape
from bruk.wire.fields import (
    PRICE_MICROEUR_MAX,
    Argument,
    Country,
    Destination,
    Devices,
    DisplayName,
    EnvName,
    Flag,
    GridZone,
    Identifier,
    Microeur,
    Millis,
    Name,
    ProjectId,
    Rate,
    ShortText,
    Written,
    one_line,
    printed,
    sound_config,
    with_program,
)


class ResidencyBody(Shape):
    """Where work and data may be; an empty list does not limit."""

    countries: list[Country] = Field(default_factory=list, max_length=250)
    operators: list[DisplayName] = Field(default_factory=list, max_length=100)
    sites: list[Name] = Field(default_factory=list, max_length=100)

    def value(self) -> Residency:
        return Residency(tuple(self.countries), tuple(self.operators), tuple(self.sites))


class RateLimitsBody(Shape):
    """How often and how much models may be called; fields left out stay, null does not limit."""

    requests_per_minute: Rate | None = None
    tokens_per_minute: Rate | None = None
    concurrent: Rate | None = None


class SiteBody(Shape):
    """A new site."""

    name: Name
    country: Country
    grid_zone: GridZone
    display_name: DisplayName = ""
    operator: DisplayName = ""
    pue_milli: Annotated[int, Field(strict=True, ge=1000, le=10_000)] = 1500
    pue_source: ShortText = "assumed"
    cut_off: CutOffPolicy = CutOffPolicy.CONTINUE
    lease_ms: Annotated[int, Field(strict=True, ge=1000, le=86_400_000)] = 60_000
    isolation_acceptance: Written = ""


class PowerLimitBody(Shape):
    """The most power that a site may draw, cooling and losses included, in some time."""

    watts: Annotated[int, Field(strict=True, ge=0, le=10**11)]
    from_ms: Millis = 0
    until_ms: Millis | None = None

    def value(self) -> PowerLimit:
        return PowerLimit(self.watts, self.from_ms, self.until_ms)


class PowerBody(Shape):
    """All the power limits of a site anew; none: it is not limited."""

    limits: list[PowerLimitBody] = Field(default_factory=list, max_length=1000)


class SiteChange(Shape):
    """What may change of a site; fields left out stay."""

    display_name: DisplayName = ""
    operator: DisplayName = ""
    pue_milli: Annotated[int, Field(strict=True, ge=1000, le=10_000)] = 1500
    pue_source: ShortText = ""
    cut_off: CutOffPolicy = CutOffPolicy.CONTINUE
    isolation_acceptance: Written = ""


class TenantBody(Shape):
    """A new tenant."""

    name: Name
    display_name: DisplayName = ""
    residency: ResidencyBody = Field(default_factory=ResidencyBody)
    weight: Annotated[int, Field(strict=True, ge=1, le=1000)] = 1
    budget_microeur: Microeur | None = None
    grant_device_ms: Millis | None = None
    quota_devices: Devices | None = None
    borrow_devices: Devices = 0


class TenantChange(Shape):
    """What may change of a tenant; fields left out stay, and a grant or a quota of null is no limit."""

    limits: RateLimitsBody = Field(default_factory=RateLimitsBody)
    display_name: DisplayName = ""
    residency: ResidencyBody = Field(default_factory=ResidencyBody)
    weight: Annotated[int, Field(strict=True, ge=1, le=1000)] = 1
    grant_device_ms: Millis | None = None
    quota_devices: Devices | None = None
    borrow_devices: Devices = 0


class ProjectBody(Shape):
    """A new project of a tenant."""

    tenant: Name
    name: Name
    display_name: DisplayName = ""
    residency: ResidencyBody = Field(default_factory=ResidencyBody)
    quota_devices: Devices | None = None
    borrow_devices: Devices = 0
    budget_microeur: Microeur | None = None


class ProjectChange(Shape):
    """What may change of a project; fields left out stay, and a quota of null is no limit."""

    limits: RateLimitsBody = Field(default_factory=RateLimitsBody)
    display_name: DisplayName = ""
    residency: ResidencyBody = Field(default_factory=ResidencyBody)
    quota_devices: Devices | None = None
    borrow_devices: Devices = 0


class UserBody(Shape):
    """A new person; the answer carries a one-time login link."""

    name: DisplayName
    role: Literal["operator", "auditor", "tenant_admin", "member"]
    tenant: Name | None = None
    site: Name | None = None


class KeyBody(Shape):
    """A new API key of a project."""

    name: DisplayName = ""
    expires_at_ms: Millis | None = None


class KeyChange(Shape):
    """Disable a key, move its end (null: it has none), or limit it; fields left out stay."""

    disabled: Flag = False
    expires_at_ms: Millis | None = None
    limits: RateLimitsBody = Field(default_factory=RateLimitsBody)


class GatewayBody(Shape):
    """A new gateway at a site."""

    name: Name
    site: Name


class PriceBody(Shape):
    """A new version of a price, from ``effective_from_ms`` (now when left out)."""

    resource: Literal["device_time", "tokens_in", "tokens_out"]
    item: Identifier | Literal["*"] = "*"
    price_microeur: Annotated[int, Field(strict=True, ge=0, le=PRICE_MICROEUR_MAX)]
    effective_from_ms: Millis | None = None


class BudgetBody(Shape):
    """The most that may be spent; null removes the limit."""

    budget_microeur: Microeur | None


class ResourcesBody(Shape):
    """What a gang or a replica needs."""

    nodes: Annotated[int, Field(strict=True, ge=1, le=100_000)] = 1
    devices: Annotated[int, Field(strict=True, ge=1, le=1024)] = 1
    accelerators: list[Identifier] = Field(default_factory=list, max_length=50)
    cpu_milli: Annotated[int, Field(strict=True, ge=0, le=10**7)] = 0
    memory_bytes: Annotated[int, Field(strict=True, ge=0, le=2**50)] = 0

    def value(self) -> Resources:
        return Resources(
            self.nodes, self.devices, tuple(self.accelerators), self.cpu_milli, self.memory_bytes
        )


class SoftwareBody(Shape):
    """With what the command is started."""

    kind: Literal["site", "venv", "container", "apptainer"] = "site"
    reference: Annotated[str, StringConstraints(max_length=500), AfterValidator(one_line)] = ""


class JobSpecBody(Shape):
    """A job; exactly one of ``command`` and ``recipe``."""

    purpose: Purpose = Purpose.OTHER
    command: Annotated[list[Argument], AfterValidator(with_program)] = Field(
        default_factory=list, max_length=1000
    )
    recipe: Literal["", "pretrain", "finetune", "evaluate"] = ""
    config: Annotated[dict[str, object], AfterValidator(sound_config)] = Field(
        default_factory=dict, max_length=500
    )
    env: dict[EnvName, Argument] = Field(default_factory=dict, max_length=500)
    secrets: list[EnvName] = Field(default_factory=list, max_length=100)
    software: SoftwareBody = Field(default_factory=SoftwareBody)
    resources: ResourcesBody = Field(default_factory=ResourcesBody)
    inputs: dict[Name, Identifier] = Field(default_factory=dict, max_length=100)
    outputs: list[Name] = Field(default_factory=list, max_length=100)
    network: list[Destination] = Field(default_factory=list, max_length=100)
    model: Name | Literal[""] = ""
    evaluates: Name | Literal[""] = ""
    sites: list[Name] = Field(default_factory=list, max_length=100)
    time_limit_s: Annotated[int, Field(strict=True, ge=1, le=365 * 86_400)] = 3600
    retry_limit: Annotated[int, Field(strict=True, ge=0, le=100)] = 1
    grace_s: Annotated[int, Field(strict=True, ge=0, le=3600)] = 30
    disk_bytes: Annotated[int, Field(strict=True, ge=0, le=2**50)] = 10 * 2**30
    preemptible: Flag = True
    deadline_at_ms: Millis | None = None

    def value(self) -> JobSpec:
        return JobSpec(
            purpose=self.purpose,
            command=tuple(self.command),
            recipe=self.recipe,
            config=dict(self.config),
            env=dict(self.env),
            software=Software(self.software.kind, self.software.reference),
            resources=self.resources.value(),
            inputs=dict(self.inputs),
            outputs=tuple(self.outputs),
            network=tuple(dict.fromkeys(self.network)),
            model=self.model,
            evaluates=self.evaluates,
            sites=tuple(self.sites),
            time_limit_s=self.time_limit_s,
            retry_limit=self.retry_limit,
            grace_s=self.grace_s,
            disk_bytes=self.disk_bytes,
            preemptible=self.preemptible,
            deadline_at_ms=self.deadline_at_ms,
            secrets=tuple(dict.fromkeys(self.secrets)),
        )


class SecretBody(Shape):
    """Set a secret."""

    value: Annotated[str, StringConstraints(min_length=1, max_length=VALUE_BYTES_MAX)]


class JobBody(Shape):
    """Submit a job. ``project`` may be left out when the caller's key belongs to one."""

    project: ProjectId | None = None
    name: Name
    priority: Annotated[int, Field(strict=True, ge=0, le=100)] = 50
    spec: JobSpecBody


class EndpointBody(Shape):
    """Serve a model under a name that clients call."""

    project: ProjectId | None = None
    name: Name
    model: Name
    serving_engine: Literal["auto", "transformers", "vllm"] = "auto"
    resources: ResourcesBody = Field(default_factory=ResourcesBody)
    replicas: Annotated[int, Field(strict=True, ge=0, le=1000)] = 1
    tenants: list[Name | Literal["*"]] = Field(default_factory=list, max_length=1000)
    sites: list[Name] = Field(default_factory=list, max_length=100)
    context_tokens: Annotated[int, Field(strict=True, ge=1, le=10**7)] = 1024
    grace_s: Annotated[int, Field(strict=True, ge=0, le=3600)] = 10
    priority: Annotated[int, Field(strict=True, ge=0, le=100)] = 60

    def value(self) -> EndpointSpec:
        return EndpointSpec(
            model=self.model,
            serving_engine=self.serving_engine,
            resources=self.resources.value(),
            replicas=self.replicas,
            tenants=tuple(self.tenants),
            sites=tuple(self.sites),
            context_tokens=self.context_tokens,
            grace_s=self.grace_s,
        )


class EndpointChange(Shape):
    """Scale an endpoint."""

    replicas: Annotated[int, Field(strict=True, ge=0, le=1000)]


class GateBody(Shape):
    """The rule a model must pass before it may be served."""

    metric: Identifier = "bits_per_byte"
    baseline: Identifier = "gzip_bits_per_byte"
    rule: GateRule = GateRule.AT_MOST
    limit_permille: Annotated[int, Field(strict=True, ge=0, le=100_000)] = 900

    def value(self) -> Gate:
        return Gate(self.metric, self.baseline, self.rule, self.limit_permille)


class AttachBody(Shape):
    """Offer an OpenAI-compatible server that already runs, at a site where the operator says it is."""

    project: ProjectId
    name: Name
    model: Name
    url: Annotated[str, StringConstraints(max_length=500), AfterValidator(one_line)]
    site: Name
    served_name: Annotated[str, StringConstraints(max_length=200), AfterValidator(one_line)] = ""
    key_secret: EnvName | Literal[""] = ""
    tenants: list[Name | Literal["*"]] = Field(default_factory=list, max_length=1000)
    context_tokens: Annotated[int, Field(strict=True, ge=1, le=10**7)] = 1024

    def value(self) -> EndpointSpec:
        return EndpointSpec(
            model=self.model,
            serving_engine="attached",
            replicas=0,
            tenants=tuple(self.tenants),
            sites=(self.site,),
            context_tokens=self.context_tokens,
            url=self.url,
            served_name=self.served_name or self.model,
            key_secret=self.key_secret,
        )


class SwitchBody(Shape):
    """Turn a scope off or on."""

    scope: Literal[HoldScope.PLATFORM, HoldScope.SITE, HoldScope.TENANT, HoldScope.MODEL]
    target: Identifier | Literal["*"] = "*"
    reason: ShortText = ""


class InvoiceBody(Shape):
    """Issue an invoice over ``[from_ms, to_ms)``: from where the tenant's last one ended (or from
    the tenant's first day) and up to now, where left out."""

    tenant: Name
    from_ms: Millis | None = None
    to_ms: Millis | None = None


class CreditBody(Shape):
    """A correction: an amount given back to a project, with its reason."""

    project: ProjectId
    amount_microeur: Annotated[int, Field(strict=True, ge=1, le=10**15)]
    note: Annotated[str, StringConstraints(min_length=3, max_length=2000), AfterValidator(printed)]


class LoginBody(Shape):
    """A one-time login token."""

    token: Annotated[str, StringConstraints(min_length=20, max_length=200)]
