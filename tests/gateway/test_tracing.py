"""Spans of a real gateway, given to a real receiver of OTLP over HTTP."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import openai
import pytest

from bruk.gateway.tracing import tracing
from bruk.model.errors import InvalidInput

from .conftest import HTTP, World, ask

proto = pytest.importorskip("opentelemetry.proto.collector.trace.v1.trace_service_pb2")
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


class Collector(ThreadingHTTPServer):
    """Takes spans as OpenTelemetry's collector does."""

    daemon_threads = True

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def spans(self) -> list[Any]:
        found = [proto.ExportTraceServiceRequest.FromString(body) for body in self.bodies]
        return [
            span
            for one in found
            for resource in one.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]


class Handler(BaseHTTPRequestHandler):
    """One export."""

    server: Collector

    def do_POST(self) -> None:
        self.server.bodies.append(self.rfile.read(int(self.headers["content-length"])))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as made:
        threading.Thread(target=made.serve_forever, daemon=True).start()
        yield made
        made.shutdown()


@pytest.fixture
def traced(collector: Collector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{collector.server_port}")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "none")
    made = World(tmp_path / "gw")
    try:
        yield made.start()
    finally:
        made.close()


def attributes(span: Any) -> dict[str, Any]:
    return {item.key: getattr(item.value, item.value.WhichOneof("value")) for item in span.attributes}


def test_a_span_says_what_was_called_and_used_and_nothing_of_whom_or_what(
    traced: World, collector: Collector
) -> None:
    client = traced.client()
    said = "a prompt that nobody else may read"
    headers = {"traceparent": f"00-{TRACE}-{PARENT}-01", "tracestate": "mine=yes"}
    answer = ask(client, messages=[{"role": "user", "content": said}], extra_headers=headers)
    list(ask(client, stream=True))
    with pytest.raises(openai.NotFoundError):
        ask(client, model="no-such-model")
    onward = [sent.get("traceparent", "") for upstream in traced.upstreams for sent in upstream.headers]
    states = [sent for upstream in traced.upstreams for sent in upstream.headers if "tracestate" in sent]
    traced.stop_gateway()
    spans = collector.spans
    assert [span.name for span in spans] == ["chat little", "chat little", "chat"]
    first = attributes(spans[0])
    assert spans[0].trace_id.hex() == TRACE
    assert spans[0].parent_span_id.hex() == PARENT
    assert f"00-{TRACE}-{spans[0].span_id.hex()}-01" in onward, "the replica's spans go on from here"
    assert states == [], "what a caller keeps for its own collectors stays here"
    assert first["gen_ai.request.model"] == "little"
    assert first["gen_ai.usage.input_tokens"] == answer.usage.prompt_tokens
    assert first["gen_ai.usage.output_tokens"] == answer.usage.completion_tokens
    assert first["bruk.request_id"].startswith("req_")
    assert (attributes(spans[1])["bruk.stream"], spans[1].status.code) == (True, 0)
    assert (attributes(spans[2])["error.type"], spans[2].status.code) == ("model_not_found", 2)
    everything = b"".join(collector.bodies)
    for secret in (said, "acme", "lab", "key-", answer.choices[0].message.content, "127.0.0.1"):
        assert secret.encode() not in everything, f"{secret!r} left the gateway"


def test_without_being_asked_nothing_is_traced(world: World) -> None:
    ask(world.client())
    assert all("traceparent" not in sent for upstream in world.upstreams for sent in upstream.headers)
    assert HTTP.get(f"{world.url}/health").status_code == 200


def test_asked_without_opentelemetry_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setitem(__import__("sys").modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(InvalidInput, match=r"bruk\[telemetry\]"):
        tracing("gw", "essonne")
