"""Figures of one gateway for Prometheus. They name no tenant, project or model: whoever may reach the gateway
may read them."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)

from bruk.gateway.traffic import Ticket

# When a series was made tells nothing that its reset does not.
disable_created_metrics()  # type: ignore[no-untyped-call]

# The bounds that vLLM's own figures have, so that what an engine and a gateway say can be laid over each
# other (vllm/v1/metrics/loggers.py, retrieved 2026-11) [s].
_FIRST_TOKEN_S = (
    *(0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0),
    *(20.0, 40.0, 80.0, 160.0, 640.0, 2560.0),
)
_TOKEN_S = (
    *(0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0),
    *(20.0, 40.0, 80.0),
)
_REQUEST_S = (
    *(0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 60.0, 120.0, 240.0),
    *(480.0, 960.0, 1920.0, 7680.0),
)


class Metrics:
    """Counts what was served and refused, and how long it took."""

    def __init__(
        self, in_flight: Callable[[], int], lease_valid: Callable[[], bool], waiting: Callable[[], int]
    ) -> None:
        """Take what is asked whenever the figures are: requests in flight, whether the lease in force lasts,
        and how many records of usage the ledger does not have yet."""
        registry = self._registry = CollectorRegistry(auto_describe=False)

        def gauge(name: str, what: str, ask: Callable[[], float]) -> None:
            Gauge(f"bruk_gateway_{name}", what, registry=registry).set_function(ask)

        def histogram(name: str, what: str, bounds: tuple[float, ...]) -> Histogram:
            return Histogram(f"bruk_gateway_{name}_seconds", what, registry=registry, buckets=bounds)

        gauge("requests_in_flight", "Requests that are served now", lambda: float(in_flight()))
        gauge("lease_valid", "Whether it may serve: 1 while its lease lasts", lambda: float(lease_valid()))
        gauge(
            "usage_records_waiting", "Usage that control's ledger does not have yet", lambda: float(waiting())
        )
        self._refused = Counter(
            "bruk_gateway_refusals", "Requests refused, by code", ["code"], registry=registry
        )
        self._served = Counter(
            "bruk_gateway_requests", "Requests served and billed, by their end", ["status"], registry=registry
        )
        self._tokens = Counter("bruk_gateway_tokens", "Tokens billed", ["direction"], registry=registry)
        self._first = histogram(
            "time_to_first_token", "From request to a stream's first part", _FIRST_TOKEN_S
        )
        self._each = histogram("time_per_output_token", "A stream's time for each further token", _TOKEN_S)
        self._whole = histogram("request_duration", "From request to the end of its answer", _REQUEST_S)

    def refused(self, code: str) -> None:
        """A request was refused."""
        self._refused.labels(code).inc()

    def served(
        self, ticket: Ticket, begun_s: float, answered_s: float | None, ended_s: float, stream: bool
    ) -> None:
        """A request has ended whose usage is in the journal; all on the loop's clock [s].

        Args:
            answered_s: when the first part of its answer went out; None if none did.
        """
        self._served.labels(ticket.status).inc()
        self._tokens.labels("in").inc(ticket.tokens_in)
        self._tokens.labels("out").inc(ticket.tokens_out)
        self._whole.observe(ended_s - begun_s)
        if stream and answered_s is not None:
            self._first.observe(answered_s - begun_s)
            if ticket.tokens_out > 1:
                self._each.observe((ended_s - answered_s) / (ticket.tokens_out - 1))

    def text(self) -> bytes:
        """All of them in Prometheus' text format."""
        return generate_latest(self._registry)
