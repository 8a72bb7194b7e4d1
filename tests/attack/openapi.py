"""Schemathesis against control's own description of its API, as each kind of caller.

A case is drawn from the description, valid or with something wrong in it; then most of its path is
filled with names of things that exist, the caller's or a stranger's, since a drawn name meets nothing.
Every answer is judged by ``judge``; what it finds is a finding with the request that led to it.
Look next at ``test_openapi`` for the short run in the suite, at ``__main__`` for the long one.
"""

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import httpx
import hypothesis
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import load_all_checks
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from bruk.api import create_api, processes
from bruk.control import access
from bruk.model.errors import Unauthenticated

from .people import MARK, SEE_ALL, Cloud

BASE = "http://testserver/api/v1"
CONFORMANCE = [
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
]
# A stream has no end; see ``test_streams``.
ENDLESS = ("/events",)
LEAKS = ("Traceback", 'File "', "sqlalchemy", "sqlite", ".py", "pydantic", "/tmp/", "/work/", "/home/")
# What changes when nothing changes: a refusal is audited, and a credential was used.
QUIET = {"audit", "head"}


@dataclass(frozen=True, slots=True)
class Finding:
    """An answer that should not have been."""

    role: str | None
    what: str
    request: str
    answer: str

    def __str__(self) -> str:
        return f"as {self.role}: {self.what}\n  {self.request}\n  {self.answer}"


@dataclass
class Tally:
    """What was sent and what came of it."""

    requests: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    findings: dict[tuple[str, str], Finding] = field(default_factory=dict)

    def add(self, other: "Tally") -> None:
        self.requests += other.requests
        self.statuses += other.statuses
        self.findings = {**other.findings, **self.findings}


class Attack:
    """Sends drawn cases as one caller to one cloud, and judges what comes back."""

    def __init__(
        self, make: Callable[[], Cloud], role: str | None, send: Callable[..., Any] | None = None
    ) -> None:
        load_all_checks()
        processes.WAIT_MS_MAX = processes.GATEWAY_WAIT_MS_MAX = 1
        self.make, self.role, self.send = make, role, send
        self.tally = Tally()
        self.runner = asyncio.Runner()
        self.cloud = make()
        self.schema = schemathesis.openapi.from_dict(create_api(self.cloud.api.world.control).openapi())

    def close(self) -> None:
        self.runner.close()
        self.cloud.api.world.close()

    def operations(self) -> list[Any]:
        found = [result.ok() for result in self.schema.get_all_operations()]
        return [operation for operation in found if operation.path not in ENDLESS]

    def run(self, operation: Any, examples: int, seed: int, until: float | None = None) -> None:
        """Draw this many cases of one operation and judge each."""
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            try:
                strategy = operation.as_strategy(generation_mode=mode)
            except Exception:
                continue

            @hypothesis.seed(seed)
            @settings(
                max_examples=examples,
                database=None,
                deadline=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )
            @hypothesis.given(strategy, st.integers(0, 2**32))
            def attack(case: Any, number: int) -> None:
                if until is None or time.monotonic() < until:
                    self.once(case, random.Random(number), mode)  # noqa: B023 (called in this turn of the loop)

            try:
                attack()
            except hypothesis.errors.Unsatisfiable:
                continue

    def once(self, case: Any, chance: Any, mode: GenerationMode) -> None:
        """Send one case."""
        self._renew()
        whose = chance.choice(["mine", "strange", "drawn"])
        named = self._fill(case, chance, whose)
        sent = self._prepared(case)
        world = self.cloud.api.world
        before = world.dump()
        answer = (self.send or self._in_process)(sent)
        self.tally.requests += 1
        self.tally.statuses[answer.status_code] += 1
        for what in self._faults(case, sent, answer, mode, named and whose == "strange"):
            self._found(case, what, sent, answer)
        if answer.status_code >= 400:
            changed = world.changed(before) - QUIET
            if changed:
                self._found(case, f"a refused request changed {sorted(changed)}", sent, answer)

    def _renew(self) -> None:
        """Another credential when the caller ended its own, as it may; else a fresh cloud."""
        token = self.cloud.token(self.role)
        control = self.cloud.api.world.control
        if self.role in (None, "nobody") or token is None:
            return
        known = {"agent": access.agent_of, "gateway": access.gateway_of}.get(self.role, access.actor_of)
        try:
            known(control, token)
        except Unauthenticated:
            if not self.cloud.renew(self.role):
                self.cloud.api.world.close()
                self.cloud = self.make()

    def _fill(self, case: Any, chance: Any, whose: str) -> bool:
        if whose == "drawn":
            return False
        pool = self.cloud.mine if whose == "mine" else self.cloud.strange
        filled = {name: chance.choice(pool[name]) for name in case.path_parameters or {} if name in pool}
        case.path_parameters = {**(case.path_parameters or {}), **filled}
        if isinstance(case.body, dict):
            for name, value in (("project", f"{pool['tenant'][0]}/lab"), ("tenant", pool["tenant"][0])):
                if name in case.body and chance.random() < 0.7:
                    case.body = {**case.body, name: value}
        return any(MARK in str(value) or name in ("workload", "run") for name, value in filled.items())

    def _prepared(self, case: Any) -> requests.PreparedRequest:
        arguments = case.as_transport_kwargs(base_url=BASE)
        headers = {
            name: value for name, value in arguments.pop("headers").items() if name.lower() != "authorization"
        }
        token = self.cloud.token(self.role)
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        known = {
            name: arguments[name] for name in ("method", "url", "params", "data", "json") if name in arguments
        }
        return requests.Request(**known, headers=headers).prepare()

    def _in_process(self, sent: requests.PreparedRequest) -> Any:
        headers = {name: value for name, value in sent.headers.items() if name.lower() != "content-length"}

        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(self.cloud.api.app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport) as client:
                return await client.request(sent.method, sent.url, headers=headers, content=sent.body or b"")

        return self.runner.run(ask())

    def _faults(
        self, case: Any, sent: Any, answer: Any, mode: GenerationMode, strange: bool
    ) -> Iterable[str]:
        text = answer.text
        if answer.status_code >= 500 and not _may_be_away(answer):
            yield f"status {answer.status_code}"
        if answer.status_code >= 400:
            yield from _no_problem(answer)
            said = f"{sent.url} {sent.body!r}"
            yield from (f"{leak!r} in a refusal" for leak in LEAKS if leak in text and leak not in said)
        if self.role not in SEE_ALL and MARK in text and MARK not in f"{sent.url} {sent.body!r}":
            yield "somebody else's name in an answer"
        if strange and self.role in ("admin", "member", "key", "other") and answer.status_code < 400:
            yield "somebody else's thing was served"
        # Only what is wrong in the body: a path may have been filled with a sound name since.
        if mode is GenerationMode.NEGATIVE and answer.status_code < 400 and _wrong_body(case):
            yield f"a wrong body was accepted: {_why(case)}"
        try:
            case.validate_response(answer, checks=CONFORMANCE)
        except FailureGroup as group:
            yield from (f"{type(each).__name__}: {str(each)[:300]}" for each in group.exceptions)
        except Failure as failure:
            yield f"{type(failure).__name__}: {str(failure)[:300]}"

    def _found(self, case: Any, what: str, sent: Any, answer: Any) -> None:
        where = f"{case.method} {case.operation.path}"
        body = sent.body if sent.body is None or len(sent.body) < 600 else sent.body[:600]
        request = f"{sent.method} {sent.url[:300]} {body!r}"
        said = f"{answer.status_code} {answer.text[:400]!r}"
        self.tally.findings.setdefault(
            (where, what.split(":")[0]), Finding(self.role, f"{where}: {what}", request, said)
        )


def _may_be_away(answer: Any) -> bool:
    try:
        return answer.status_code == 503 and answer.json()["code"] == "held"
    except (ValueError, KeyError, TypeError):
        return False


def _no_problem(answer: Any) -> Iterable[str]:
    if answer.headers.get("content-type") != "application/problem+json":
        yield f"a refusal as {answer.headers.get('content-type')}"
        return
    try:
        shape = answer.json()
    except ValueError:
        yield "a refusal that is no JSON"
        return
    if set(shape) != {"type", "title", "status", "code", "detail", "about"}:
        yield f"a refusal with the fields {sorted(shape)}"
    elif shape["status"] != answer.status_code or not shape["code"] or not shape["detail"]:
        yield "a refusal that does not say what is wrong"


def _wrong_body(case: Any) -> bool:
    meta = case.meta
    if meta is None:
        return False
    return any(
        kind.value == "body" and component.mode is GenerationMode.NEGATIVE
        for kind, component in meta.components.items()
    )


def _why(case: Any) -> str:
    data = getattr(case.meta.phase, "data", None)
    return str(getattr(data, "description", "") or json.dumps(case.body, default=repr)[:200])
