"""Drawn requests over real HTTP against a gateway, with every kind of key; each answer is judged.

A gateway describes its routes in no OpenAPI, since they are another's, so requests are drawn here: a good
body of the route, with members exchanged, doubled or added, and now and then no JSON at all. What is judged
stands in ``Siege._faults``, and ``settle`` compares what was answered with what was journalled.
Look next at ``test_inference`` for the short run in the suite, at ``__main__`` for the long one.
"""

import itertools
import json
import time
from collections.abc import Iterable
from typing import Any

import httpx
import hypothesis
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

from bruk.gateway.problem import CODES

from ..gateway.conftest import World  # noqa: TID252 (tests are no installed package)
from ..gateway.upstream import KEY, MODEL  # noqa: TID252
from .openapi import LEAKS, Finding, Tally

# Who calls: a project's key, one whose budget is small, ones whose law keeps them away or at one site, one
# that has ended, and none.
CALLERS = ("acme", "poor", "north", "swede", "finn", "old", "forged", KEY, None)
ROUTES = ("/v1/chat/completions", "/v1/completions", "/v1/embeddings")
MODELS = ("little", "private", "unpriced", "empty", MODEL, "../little", "little\0", "")
# What a caller must never read unless it said so itself: how a replica is called, and others' things.
SECRETS = (KEY, "/srv/models", "run-essonne", "run-borlange", "ep-little", "model-little", "gateway-token")
OF_OTHERS = {"acme": ("private", "poor/lab", "north/lab"), "poor": ("acme/lab",), "swede": ("private",)}
PLACES = {"swede": "borlange"}

numbers = st.sampled_from(
    [0, 1, -1, 2, 4, 128, 129, 2**31, 2**31 + 1, 2**63, 10**30, 1.5, 1e999, float("nan")]
)
texts = st.sampled_from(["", "x", "true", "\0", "\ud800", "\u202e", "😀" * 50, "x" * 5000]) | st.text(
    max_size=20
)
anything = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=10,
)
parts = st.sampled_from(
    [
        {"type": "text", "text": "hej"},
        {"type": "image_url", "image_url": {"url": "http://169.254.169.254/latest/meta-data"}},
        {"type": "file", "file": {"file_id": "../../etc/passwd"}},
    ]
)
messages = st.lists(
    st.fixed_dictionaries(
        {"role": st.sampled_from(["user", "system", "assistant", "tool", "root", ""])},
        optional={"content": texts | st.lists(parts, max_size=3) | anything, "name": texts},
    ),
    max_size=4,
)
prompts = texts | st.lists(texts, max_size=4) | st.lists(st.lists(numbers, max_size=3), max_size=3) | anything
members = {
    "max_tokens": numbers | anything,
    "max_completion_tokens": numbers | anything,
    "n": st.sampled_from([1, 2, 128]) | numbers | anything,
    "best_of": numbers,
    "stream": st.booleans() | anything,
    "stream_options": st.just({"include_usage": True}) | st.just({"continuous_usage_stats": True}) | anything,
    "generation_config": anything,
    "temperature": numbers,
    "stop": texts | st.lists(texts, max_size=3),
    "user": texts,
    "tools": anything,
    "__proto__": anything,
}


@st.composite
def bodies(draw: st.DrawFn, route: str) -> bytes:
    """What is sent to one route."""
    asked: dict[str, Any] = {"model": draw(st.sampled_from(MODELS) | texts | anything)}
    if draw(st.integers(0, 5)):
        asked["model"] = "little"
    asked["max_tokens"] = draw(st.integers(1, 6))
    if route == ROUTES[0]:
        asked["messages"] = draw(messages | anything)
    elif route == ROUTES[1]:
        asked["prompt"] = draw(prompts)
    else:
        asked["input"] = draw(prompts)
    names = draw(st.lists(st.sampled_from(sorted(members)), max_size=2))
    asked |= {name: draw(members[name]) for name in names}
    text = json.dumps(asked, ensure_ascii=draw(st.booleans()))
    match draw(st.integers(0, 12)):
        case 0:
            text = text.replace("{", '{"model":"little",', 1)
        case 1:
            text = text[: draw(st.integers(0, len(text)))]
        case 2:
            text += draw(st.sampled_from(["{}", " ", "\0", "\n\n", "x"]))
        case 3:
            return draw(st.binary(max_size=60))
    return text.encode("utf-8", "surrogatepass")


headers = st.dictionaries(
    st.sampled_from(
        ["X-Request-Id", "Content-Type", "Accept", "Forwarded", "X-Forwarded-For", "OpenAI-Project"]
    ),
    st.sampled_from(
        ["", "x", "text/html", "application/json; charset=utf-16", "127.0.0.1", "a" * 2000, "é✓"]
    ),
    max_size=2,
)
paths = st.sampled_from(
    [
        "/v1/models",
        *(
            f"/v1/models/{name}"
            for name in ("little", "private", "..", "%2e%2e%2f", "%00", "%ff", "a" * 3000)
        ),
        *("/", "/v1", "/v1/", "/v1//models", "/v1/models/", "/metrics", "/health", "/V1/models"),
        *("/v1/chat/completions/", "/v1/files", "/v1/batches", "/api/v1/gateway/sync", "//v1/models"),
    ]
)


class Siege:
    """One gateway under attack by one caller after the other."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.tally = Tally()
        self.http = httpx.Client(base_url=world.url, timeout=30, trust_env=False)
        self.served: list[tuple[str | None, dict[str, int] | None]] = []

    def run(self, caller: str | None, examples: int, seed: int, until: float | None = None) -> None:
        """So many drawn requests to each route, and to what is none."""
        for route in ROUTES:
            self._drawn(caller, "POST", st.just(route), bodies(route), examples, seed, until)
        methods = st.sampled_from(["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "BRUK"])
        self._drawn(caller, methods, paths | st.sampled_from(ROUTES), st.just(b""), examples, seed, until)

    def _drawn(
        self,
        caller: str | None,
        method: Any,
        path: Any,
        body: Any,
        examples: int,
        seed: int,
        until: float | None,
    ) -> None:
        methods = st.just(method) if isinstance(method, str) else method

        @hypothesis.seed(seed)
        @settings(
            max_examples=examples,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @hypothesis.given(methods, path, body, headers)
        def attack(method: str, path: str, body: bytes, more: dict[str, str]) -> None:
            if until is None or time.monotonic() < until:
                self.once(caller, method, path, body, more)

        attack()

    def once(self, caller: str | None, method: str, path: str, body: bytes, more: dict[str, str]) -> None:
        """Send one request and judge its answer."""
        given = {name.encode(): value.encode() for name, value in more.items()}
        if caller is not None:
            given[b"Authorization"] = b"Bearer " + caller.encode()
        answer = self.http.request(method, path, content=body, headers=list(given.items()))
        self.tally.requests += 1
        self.tally.statuses[answer.status_code] += 1
        if answer.status_code == 200 and path in ROUTES and method == "POST":
            self.served.append((caller, _usage(answer)))
        for what in self._faults(caller, method, path, body, answer):
            request = f"{method} {path[:200]} {body[:600]!r}"
            said = f"{answer.status_code} {answer.text[:400]!r}"
            self.tally.findings.setdefault(
                (path[:60], what.split(":")[0]), Finding(caller, what, request, said)
            )

    def _faults(
        self, caller: str | None, method: str, path: str, body: bytes, answer: httpx.Response
    ) -> Iterable[str]:
        status, text = answer.status_code, answer.text
        sent = path.encode() + body
        if status >= 500 and _code(answer) not in ("no_replica", "held"):
            yield f"status {status}"
        if status >= 400 and method != "HEAD":
            yield from _no_refusal(answer)
            yield from (
                f"{leak!r} in a refusal" for leak in LEAKS if leak in text and leak.encode() not in sent
            )
        for secret in (*SECRETS, *OF_OTHERS.get(caller or "", ())):
            if secret in text + str(answer.headers) and secret.encode() not in sent:
                yield f"{secret!r} in an answer"
        served = ("acme", "poor", "swede", *(["finn"] if method in ("GET", "HEAD") else []))
        if caller not in served and status < 400 and path not in ("/health", "/metrics"):
            yield "somebody was served who may not be"
        if "x-request-id" not in answer.headers:
            yield "an answer without its id"

    def settle(self) -> None:
        """Compare what was answered with what the ledger got; findings for what differs."""
        self.world.settled(len(self.served))
        records = self.world.control.records()
        if len(records) != len(self.served):
            self._wrong(f"{len(self.served)} answers and {len(records)} records")
        said = sorted((f"{who}/lab", *_counts(usage)) for who, usage in self.served if usage is not None)
        booked = sorted((record.project, record.tokens_in, record.tokens_out) for record in records)
        missing = [item for item in said if item not in booked]
        if missing:
            self._wrong(f"answered and not booked so: {missing[:3]}")
        for record, (who, place) in itertools.product(records, PLACES.items()):
            if record.project == f"{who}/lab" and record.site != place:
                self._wrong(f"{who} was served at {record.site}")

    def _wrong(self, what: str) -> None:
        self.tally.findings[("ledger", what)] = Finding(None, what, "", "")


def _usage(answer: httpx.Response) -> dict[str, int] | None:
    """What an answer says that it used; None for a stream that was not asked to say so."""
    if answer.headers["content-type"].startswith("application/json"):
        found: dict[str, int] | None = answer.json().get("usage")
        return found
    events = [line[6:] for line in answer.text.split("\n") if line.startswith("data: {")]
    said = [event["usage"] for event in map(json.loads, events) if event.get("usage")]
    return said[-1] if said else None


def _counts(usage: dict[str, int]) -> tuple[int, int]:
    return usage["prompt_tokens"], usage.get("completion_tokens", 0)


def _code(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["error"]["code"])
    except (ValueError, KeyError, TypeError):
        return ""


def _no_refusal(answer: httpx.Response) -> Iterable[str]:
    code = _code(answer)
    if code not in CODES:
        yield f"a refusal without a documented code: {code}"
    elif CODES[code][:2] != (answer.status_code, answer.json()["error"]["type"]):
        yield f"{code} with status {answer.status_code}"
    elif not answer.json()["error"]["message"]:
        yield f"{code} without a word"
