"""The routes of the gateway.

A route is found, the caller is let in, and the rest is `admit`'s and `relay`'s. Nothing here must ever
log a body or let an error's text reach a client. Look next at `admit` for the order of refusals, at
`process` for what runs this.
"""

from __future__ import annotations

import asyncio
import logging
import traceback
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import orjson

from bruk.admission import Standing
from bruk.gateway.admit import Caller
from bruk.gateway.door import Serve
from bruk.gateway.exchange import Exchange, Headers
from bruk.gateway.parse import Route, parse
from bruk.gateway.problem import Refusal, refusal_of
from bruk.gateway.relay import CLIENT_GONE
from bruk.gateway.traffic import Ticket
from bruk.model.policy import OPEN, Policy, Reach, Who
from bruk.wire.gateway import ModelRoute

if TYPE_CHECKING:
    from bruk.gateway.process import Gateway

_LOG = logging.getLogger(__name__)
_RELAYED = {route.value: route for route in Route}
_MODELS = "/v1/models"
_MODEL = "/v1/models/{model}"
_KEYS = frozenset({Who.KEY})

# Every route: its method and who may call it. A key reaches what its tenant may call, by its lease.
ROUTES: dict[str, tuple[str, Policy]] = {
    "/health": ("GET", OPEN),
    "/metrics": ("GET", OPEN),
    _MODELS: ("GET", Policy(_KEYS, Reach.OWN)),
    _MODEL: ("GET", Policy(_KEYS, Reach.TENANT)),
    **{path: ("POST", Policy(_KEYS, Reach.TENANT)) for path in _RELAYED},
}


def serve(gateway: Gateway) -> Serve:
    """How the requests of a gateway that is open are served (see `Gateway.open`)."""

    async def one(exchange: Exchange) -> None:
        await _serve(gateway, exchange)

    return one


async def _serve(gateway: Gateway, exchange: Exchange) -> None:
    try:
        await _route(gateway, exchange)
    except ConnectionResetError:
        return
    except Refusal as refusal:
        gateway.metrics.refused(refusal.code)
        await exchange.refuse(refusal)
    except Exception as error:
        # Where it happened, not what it said: an error of a library may quote what it was given.
        where = "".join(traceback.format_tb(error.__traceback__))
        _LOG.error("request %s failed: %s at\n%s", exchange.request_id, type(error).__name__, where)
        await exchange.refuse(refusal_of(error))


def _declared(path: str) -> str:
    """The declared route of a path.

    Raises:
        Refusal: there is none.
    """
    if path in ROUTES:
        return path
    if path.startswith(_MODELS + "/"):
        return _MODEL
    raise Refusal("not_found", "There is no such route. The base URL of this API ends in /v1.")


async def _route(gateway: Gateway, exchange: Exchange) -> None:
    declared = _declared(exchange.path)
    method, policy = ROUTES[declared]
    _require_method(exchange, method)
    if policy.open:
        await _open(gateway, exchange)
        return
    caller = gateway.admission.identify(exchange.header(b"authorization"))
    if declared == _MODELS:
        await _list_models(gateway, exchange, caller)
    elif declared == _MODEL:
        model = gateway.admission.model(caller, unquote(exchange.path[len(_MODELS) + 1 :]))
        await exchange.answer(200, orjson.dumps(_model_document(model, caller.project.tenant)))
    else:
        await _infer(gateway, exchange, caller, _RELAYED[declared])


async def _open(gateway: Gateway, exchange: Exchange) -> None:
    if exchange.path == "/health":
        await exchange.answer(*_health(gateway))
    else:
        await exchange.answer(200, gateway.metrics.text(), content_type=b"text/plain; version=0.0.4")


def _require_method(exchange: Exchange, method: str) -> None:
    if exchange.method != method and not (method == "GET" and exchange.method == "HEAD"):
        raise Refusal("method_not_allowed", f"This route takes {method}.")


def _health(gateway: Gateway) -> tuple[int, bytes]:
    if gateway.leases.ended_for_ms() is not None:
        return 503, orjson.dumps({"status": "no lease"})
    return 200, orjson.dumps({"status": "ok"})


async def _list_models(gateway: Gateway, exchange: Exchange, caller: Caller) -> None:
    data = [_model_document(model, caller.project.tenant) for model in gateway.admission.models(caller)]
    await exchange.answer(200, orjson.dumps({"object": "list", "data": data}))


def _model_document(model: ModelRoute, tenant: str) -> dict[str, Any]:
    """A model as OpenAI's and Mistral's clients both read it."""
    owner = model.owner_project.split("/", 1)[0]
    return {
        "id": model.name,
        "object": "model",
        "created": model.created_at_ms // 1000,
        # Who else is a tenant here is nobody's business.
        "owned_by": tenant if owner == tenant else "operator",
        # From here on Mistral's. What an engine can beyond chat is not declared, so it is not promised.
        "type": "base",
        "name": model.name,
        "max_context_length": model.context_tokens,
        "capabilities": {"completion_chat": True},
    }


async def _infer(gateway: Gateway, exchange: Exchange, caller: Caller, route: Route) -> None:
    loop = asyncio.get_running_loop()
    begun_s = loop.time()
    gateway.book.require()
    # The place is taken before the body is read, so that bodies in memory are bounded too.
    ticket = gateway.traffic.enter(caller.project.tenant)
    span = gateway.tracing.begin(exchange)
    exchange.onward = span.onward
    refused = "internal_error"
    try:
        request = parse(route, await exchange.read_body(lambda more: gateway.traffic.hold(ticket, more)))
        try:
            admitted = gateway.admission.admit(exchange.request_id, caller, request, ticket)
        finally:
            exchange.more = _limit_headers(gateway.admission.standing(caller))
        span.model(admitted.model.name, request.stream)
        try:
            passage = asyncio.current_task()
            assert passage is not None, "a request is served in a task"
            ticket.cut = passage.cancel
            exchange.on_gone = lambda: _cut(ticket, CLIENT_GONE)
            await gateway.relay.run(admitted, exchange, ticket)
        finally:
            admitted.reservation.release()
            gateway.admission.end(exchange.request_id, ticket.tokens_in + ticket.tokens_out)
            if ticket.status:
                gateway.metrics.served(ticket, begun_s, exchange.started_s, loop.time(), request.stream)
        refused = ""
    except Refusal as refusal:
        refused = refusal.code
        raise
    except ConnectionResetError:
        refused = CLIENT_GONE
        raise
    finally:
        span.end(ticket, refused)
        gateway.traffic.leave(ticket)


def _limit_headers(standing: dict[str, Standing]) -> Headers:
    """What the caller's limits leave, as OpenAI's API says it."""
    headers: Headers = []
    for kind, found in standing.items():
        for what, value in (
            ("limit", f"{found.per_minute}"),
            ("remaining", f"{found.left}"),
            ("reset", f"{found.full_in_ms}ms"),
        ):
            headers.append((f"x-ratelimit-{what}-{kind}".encode(), value.encode()))
    return headers


def _cut(ticket: Ticket, reason: str) -> None:
    if ticket.cut is not None and ticket.cut_reason is None:
        ticket.cut_reason = reason
        ticket.cut()
