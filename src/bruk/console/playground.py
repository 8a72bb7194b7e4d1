"""A place to try an endpoint: the page's words go through here to the gateway, with the visitor's own key.

The key comes with each request, is handed on and never kept, logged or shown. What the gateway answers is
passed on piece by piece as it comes, so that the gateway alone admits, meters and refuses.
"""

from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal

import httpx
from fastapi import APIRouter, Header, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from bruk.console.door import Calling, ControlOf, Seen, console_of, guard
from bruk.console.rendering import page
from bruk.control import overview
from bruk.model.errors import BrukError, ErrorKind, InvalidInput
from bruk.model.ledger import Resource
from bruk.model.policy import PLATFORM, READERS, TENANT_PEOPLE, Policy, Reach

router = APIRouter()

CONNECT_S = 5.0
SILENCE_S = 120.0


class GatewayAway(BrukError):
    """The gateway cannot be reached from here."""

    code = "gateway_away"
    kind = ErrorKind.UNAVAILABLE


class Message(BaseModel):
    """One turn of a conversation."""

    model_config = ConfigDict(extra="forbid")

    role: Literal["system", "user", "assistant"]
    content: Annotated[str, Field(max_length=100_000)]


class Question(BaseModel):
    """What the page asks: a conversation to go on with, or a text."""

    model_config = ConfigDict(extra="forbid")

    model: Annotated[str, Field(min_length=1, max_length=200)]
    messages: Annotated[list[Message], Field(max_length=200)] = []
    prompt: Annotated[str, Field(max_length=100_000)] = ""
    max_tokens: Annotated[int, Field(ge=1, le=100_000)] = 200
    temperature: Annotated[float, Field(ge=0, le=2)] = 0.7

    def body(self) -> tuple[str, dict[str, Any]]:
        """The gateway's route and what it takes."""
        shared: dict[str, Any] = {
            "model": self.model,
            "max_tokens": self.max_tokens,
            "temperature": self.temperature,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        if self.messages:
            turns = [turn.model_dump() for turn in self.messages]
            return "/v1/chat/completions", {**shared, "messages": turns}
        return "/v1/completions", {**shared, "prompt": self.prompt}


@router.get("/playground", dependencies=[guard(Policy(READERS | TENANT_PEOPLE, Reach.OWN))])
def playground(request: Request, visitor: Seen, control: ControlOf) -> Response:
    """The page."""
    prices = {(price.resource, price.item): price.price_microeur for price in overview.prices_now(control)}

    def price(resource: Resource, model: str) -> int | None:
        return prices.get((resource, model), prices.get((resource, "*")))

    offered = [
        {
            "name": item.name,
            "model": item.endpoint.model,
            "project": item.project,
            "context_tokens": item.endpoint.context_tokens,
            "price_in": price(Resource.TOKENS_IN, item.endpoint.model),
            "price_out": price(Resource.TOKENS_OUT, item.endpoint.model),
        }
        for item in overview.callable_endpoints(control, visitor.actor)
    ]
    return page(
        request,
        "playground.html",
        section="playground",
        offered=offered,
        gateway_url=console_of(request).gateway_url(),
    )


@router.post("/playground/ask", dependencies=[guard(Policy(PLATFORM | TENANT_PEOPLE, Reach.OWN))])
async def ask(
    request: Request,
    visitor: Calling,
    question: Question,
    bruk_key: Annotated[str, Header(max_length=400)] = "",
) -> Response:
    """Hand the question to the gateway and its answer back, as it comes."""
    if not bruk_key or not bruk_key.isascii():
        raise InvalidInput("give a key of your project; it begins with bk_", field="key")
    url = console_of(request).gateway_url()
    if not url:
        raise GatewayAway("no gateway is running, so that nothing can be asked; start one and try again")
    path, body = question.body()
    timeout = httpx.Timeout(SILENCE_S, connect=CONNECT_S)
    # The environment's proxies are left aside: the gateway is ours, and the key is for it alone.
    client = httpx.AsyncClient(timeout=timeout, trust_env=False)
    try:
        sent = client.build_request(
            "POST", url.rstrip("/") + path, json=body, headers={"Authorization": f"Bearer {bruk_key}"}
        )
        answer = await client.send(sent, stream=True)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        await client.aclose()
        raise GatewayAway("the gateway cannot be reached now; try again in a moment") from error
    except BaseException:
        await client.aclose()
        raise
    return StreamingResponse(
        _pieces(client, answer),
        status_code=answer.status_code,
        media_type=answer.headers.get("content-type", "application/json"),
        headers={"X-Accel-Buffering": "no"},
    )


async def _pieces(client: httpx.AsyncClient, answer: httpx.Response) -> AsyncIterator[bytes]:
    try:
        async for piece in answer.aiter_raw():
            yield piece
    except httpx.HTTPError:
        yield b'data: {"error":{"message":"the gateway ended the answer early"}}\n\n'
    finally:
        await answer.aclose()
        await client.aclose()
