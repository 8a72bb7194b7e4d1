"""A span for each request, sent by OpenTelemetry where the operator has set it up; otherwise nothing.

It is on where ``OTEL_EXPORTER_OTLP_ENDPOINT`` (or that of traces alone) is set and the extra ``[telemetry]``
is installed; OpenTelemetry's own variables say the rest. A span goes on with the caller's trace and is passed
on to the replica. It must never carry a prompt, an answer, or the name of a tenant, a project or a key: where
it is sent may lie outside the law that these are under. Names of attributes are those of OpenTelemetry's
conventions for generative AI (opentelemetry-semantic-conventions 0.66b2).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from bruk.gateway.exchange import Exchange
from bruk.gateway.traffic import Ticket
from bruk.model.errors import InvalidInput

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_OPERATIONS = {
    "/v1/chat/completions": "chat",
    "/v1/completions": "text_completion",
    "/v1/embeddings": "embeddings",
}


class Span:
    """One request's span; this one records nothing.

    Attributes:
        onward: the header by which the replica's own spans go on from here, with its end of line.
    """

    onward = ""

    def model(self, name: str, stream: bool) -> None:
        """What is called, once the body was read."""

    def end(self, ticket: Ticket, refused: str = "") -> None:
        """The request has ended: as its ticket says, or refused with this code."""


class Tracing:
    """Makes spans; this one makes such as record nothing, at no cost."""

    def begin(self, exchange: Exchange) -> Span:
        """The span of a request that has just come."""
        return _NONE

    def close(self) -> None:
        """Send what is left; may take some seconds."""


_NONE = Span()


class _Recorded(Span):
    def __init__(self, span: Any, operation: str, onward: str) -> None:
        self._span = span
        self._operation = operation
        self.onward = onward

    def model(self, name: str, stream: bool) -> None:
        self._span.update_name(f"{self._operation} {name}")
        self._span.set_attribute("gen_ai.request.model", name)
        self._span.set_attribute("bruk.stream", stream)

    def end(self, ticket: Ticket, refused: str = "") -> None:
        from opentelemetry.trace import Status, StatusCode

        said: dict[str, Any] = {}
        if ticket.status:
            said["gen_ai.usage.input_tokens"] = ticket.tokens_in
            said["gen_ai.usage.output_tokens"] = ticket.tokens_out
            said["bruk.status"] = ticket.status
            if ticket.status != "complete":
                refused = refused or ticket.status
        if refused:
            said["error.type"] = refused
            self._span.set_status(Status(StatusCode.ERROR, refused))
        self._span.set_attributes(said)
        self._span.end()


class _OpenTelemetry(Tracing):
    def __init__(self, provider: Any) -> None:
        from opentelemetry.trace import SpanKind
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self._provider = provider
        self._tracer = provider.get_tracer("bruk.gateway")
        self._kind = SpanKind.SERVER
        self._context = TraceContextTextMapPropagator()

    def begin(self, exchange: Exchange) -> Span:
        from opentelemetry.trace import set_span_in_context

        operation = _OPERATIONS.get(exchange.path, "other")
        names = ("traceparent", "tracestate")
        carrier = {name: exchange.header(name.encode()).decode("latin-1") for name in names}
        parent = self._context.extract({name: value for name, value in carrier.items() if value})
        said = {"gen_ai.operation.name": operation, "bruk.request_id": exchange.request_id}
        span = self._tracer.start_span(operation, context=parent, kind=self._kind, attributes=said)
        onward: dict[str, str] = {}
        self._context.inject(onward, context=set_span_in_context(span))
        # The parent alone: a state that the caller wrote is for the caller's own collectors.
        return _Recorded(span, operation, f"traceparent: {onward['traceparent']}\r\n")

    def close(self) -> None:
        self._provider.shutdown()


def tracing(gateway: str, site: str, exporter: Callable[[], Any] | None = None) -> Tracing:
    """What the environment asks for.

    Args:
        exporter: makes what spans are given to; OTLP over HTTP by default.

    Raises:
        InvalidInput: it asks for traces, and OpenTelemetry is not installed.
    """
    if exporter is None and not any(os.environ.get(name) for name in _ENDPOINTS):
        return Tracing()
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        raise InvalidInput(
            f"{_ENDPOINTS[1]} asks for traces, and OpenTelemetry is missing: pip install 'bruk[telemetry]'"
        ) from None
    resource = Resource.create(
        {"service.name": "bruk-gateway", "service.instance.id": gateway, "bruk.site": site}
    )
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor((exporter or OTLPSpanExporter)()))
    return _OpenTelemetry(provider)
