"""Who may do what, in a fixed order, from the lease alone.

Before the body is read: the lease, the key, residency, holds. After: the model, holds on it, a replica
where the project's law allows, a price, the budget, limits on rates. It must never await anything: between
a check and what relies on it no newer lease can come. Look next at `account` for budgets, `traffic` for
holds, `relay` for what follows.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from bruk.admission import Limiter, Quote, RateLimited, Standing, request_amount_microeur
from bruk.gateway.account import Accounts, Reservation, quote
from bruk.gateway.lease import LeaseHolder
from bruk.gateway.parse import Request
from bruk.gateway.problem import Refusal
from bruk.gateway.traffic import Ticket, Traffic
from bruk.model.clock import Clock
from bruk.model.ledger import Resource
from bruk.wire.gateway import KeyGrant, ModelRoute, ProjectGrant, ReplicaRoute, subjects


@dataclass(frozen=True, slots=True)
class Caller:
    """Whose request it is."""

    key: KeyGrant
    project: ProjectGrant


@dataclass(frozen=True, slots=True)
class Admitted:
    """A request that may run.

    Attributes:
        replicas: those that may be tried, in no particular order.
        tokens_in_max, tokens_out_max: what is reserved for, all answers together [tokens].
        tokens_out_each: most tokens in one answer [tokens].
        at_ms: when it was admitted, by the wall clock [ms].
    """

    caller: Caller
    request: Request
    model: ModelRoute
    price_in: Quote
    price_out: Quote
    replicas: tuple[ReplicaRoute, ...]
    tokens_in_max: int
    tokens_out_max: int
    tokens_out_each: int
    reservation: Reservation
    at_ms: int

    def amount_microeur(self, tokens_in: int, tokens_out: int) -> int:
        """What so many tokens cost at the prices of admission [EUR * 1e-6]."""
        return request_amount_microeur(self.price_in, self.price_out, tokens_in, tokens_out)


class Admission:
    """Decides on requests, from the lease in force, the holds and the accounts."""

    def __init__(
        self, leases: LeaseHolder, traffic: Traffic, accounts: Accounts, limiter: Limiter, clock: Clock
    ) -> None:
        self._leases = leases
        self._traffic = traffic
        self._accounts = accounts
        self._limiter = limiter
        self._clock = clock

    def identify(self, authorization: bytes) -> Caller:
        """Whose key this is, and that its project may be served at this site; called before the body is read.

        Raises:
            Refusal: ``lease_ended``, ``invalid_api_key``, ``residency`` or ``held``.
        """
        self._leases.require()
        scheme, _, secret = authorization.strip().partition(b" ")
        if scheme.lower() != b"bearer" or not secret.strip():
            raise Refusal("invalid_api_key", "Send your project's key as Authorization: Bearer KEY.")
        key = self._leases.keys.get(hashlib.sha256(secret.strip()).hexdigest())
        project = self._leases.projects.get(key.project) if key is not None else None
        if key is None or project is None:
            raise Refusal(
                "invalid_api_key", "The key is not known, or was disabled. Send another key of your project."
            )
        self._refuse_ended(key)
        if not project.allowed_here:
            rule = f": {project.refusal}" if project.refusal else ""
            raise Refusal(
                "residency",
                f"The project's residency does not allow this gateway's site{rule}.",
                rule=project.refusal,
            )
        caller = Caller(key, project)
        self._refuse_held(caller)
        return caller

    def models(self, caller: Caller) -> list[ModelRoute]:
        """The models that the caller may call, by name."""
        return sorted(
            (model for model in self._leases.models.values() if _may_call(caller, model)),
            key=lambda model: model.name,
        )

    def model(self, caller: Caller, name: str) -> ModelRoute:
        """The model under this name.

        Raises:
            Refusal: ``model_not_found``, alike whether it does not exist or is not the caller's to call.
        """
        model = self._leases.models.get(name)
        if model is None or not _may_call(caller, model):
            raise Refusal(
                "model_not_found",
                f"The model {name[:80]!r} does not exist or you may not call it. GET /v1/models lists yours.",
                param="model",
            )
        return model

    def admit(self, request_id: str, caller: Caller, request: Request, ticket: Ticket) -> Admitted:
        """Let the request in and reserve what it can cost at most.

        The key is looked up again, since a newer lease may have come while the body was read.

        Raises:
            Refusal: ``lease_ended``, ``invalid_api_key``, ``residency``, ``held``, ``model_not_found``,
                ``no_replica``, ``price_missing``, ``insufficient_budget`` or ``rate_limited``.
        """
        caller = self._again(caller)
        model = self.model(caller, request.model)
        self._refuse_held(caller, model.model)
        replicas = self._replicas(caller, model)
        if model.price_in is None or model.price_out is None:
            raise Refusal(
                "price_missing",
                f"The model {model.name} has no price for tokens, so it cannot be sold. The operator must"
                " set one ('bruk price set').",
                param="model",
            )
        tokens_in_max = model.context_tokens * request.prompts
        if request.text_only:
            tokens_in_max = min(request.prompt_bytes, tokens_in_max)
        asked = request.tokens_out_asked
        tokens_out_each = model.context_tokens if asked is None else min(asked, model.context_tokens)
        tokens_out_max = tokens_out_each * request.answers
        price_in = quote(
            Resource.TOKENS_IN, model.model, model.price_in.price_microeur, model.price_in.version
        )
        price_out = quote(
            Resource.TOKENS_OUT, model.model, model.price_out.price_microeur, model.price_out.version
        )
        bound_microeur = price_in.bound_microeur(tokens_in_max) + price_out.bound_microeur(tokens_out_max)
        reservation = self._accounts.reserve(caller.project.id, request_id, bound_microeur)
        try:
            self._limit(request_id, caller, tokens_in_max + tokens_out_max)
        except Refusal:
            reservation.release()
            raise
        ticket.model = model.model
        return Admitted(
            caller=caller,
            request=request,
            model=model,
            price_in=price_in,
            price_out=price_out,
            replicas=replicas,
            tokens_in_max=tokens_in_max,
            tokens_out_max=tokens_out_max,
            tokens_out_each=tokens_out_each,
            reservation=reservation,
            at_ms=self._leases.now_ms(),
        )

    def end(self, request_id: str, tokens: int) -> None:
        """An admitted request has ended; its limits get back what it did not use of its bound."""
        self._limiter.end(request_id, tokens, self._clock.monotonic_ms())

    def standing(self, caller: Caller) -> dict[str, Standing]:
        """What the caller's limits leave now (see `Limiter.standing`)."""
        return self._limiter.standing(_subjects(caller), self._clock.monotonic_ms())

    def _limit(self, request_id: str, caller: Caller, tokens: int) -> None:
        try:
            self._limiter.begin(request_id, _subjects(caller), tokens, self._clock.monotonic_ms())
        except RateLimited as error:
            limit, wait_ms = error.detail["limit"], error.retry_after_ms
            never = wait_ms is None and limit != "concurrent"
            raise Refusal(
                "rate_limited",
                error.message,
                retry_after_s=None if never else max(1, -(-(wait_ms or 0) // 1000)),
                limit=limit,
            ) from None

    def _again(self, caller: Caller) -> Caller:
        self._leases.require()
        key = self._leases.keys.get(caller.key.secret_hash)
        project = self._leases.projects.get(caller.key.project)
        if key is None or project is None:
            raise Refusal(
                "invalid_api_key", "The key is not known, or was disabled. Send another key of your project."
            )
        self._refuse_ended(key)
        if not project.allowed_here:
            raise Refusal("residency", "The project's residency does not allow this gateway's site.")
        return Caller(key, project)

    def _refuse_ended(self, key: KeyGrant) -> None:
        if self._leases.key_ended(key):
            raise Refusal(
                "invalid_api_key",
                "The key has expired. Send another key of your project, or have its end moved.",
            )

    def _replicas(self, caller: Caller, model: ModelRoute) -> tuple[ReplicaRoute, ...]:
        lawful = [replica for replica in model.replicas if replica.site in caller.project.sites]
        if not lawful:
            raise Refusal(
                "no_replica",
                f"No replica of {model.name} is ready at a site where the project's data may be."
                " Try again later.",
                retry_after_s=5,
            )
        tenant = caller.project.tenant
        free = tuple(
            replica for replica in lawful if self._traffic.covered(tenant, model.model, replica.site) is None
        )
        if not free:
            self._refuse_held(caller, model.model, lawful[0].site)
        return free

    def _refuse_held(self, caller: Caller, model: str = "", site: str = "") -> None:
        hold = self._traffic.covered(caller.project.tenant, model, site)
        if hold is not None:
            self._traffic.refused += 1
            raise Refusal(
                "held",
                f"Switched off by the operator ({hold.scope.value}). Try again later.",
                retry_after_s=30,
            )


def _may_call(caller: Caller, model: ModelRoute) -> bool:
    tenant = caller.project.tenant
    return "*" in model.tenants or tenant in model.tenants or model.owner_project.split("/", 1)[0] == tenant


def _subjects(caller: Caller) -> tuple[str, str, str]:
    return subjects(caller.key.id, caller.project.id)
