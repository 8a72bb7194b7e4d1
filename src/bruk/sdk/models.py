"""Models with their gates, and the endpoints that serve them."""

from collections.abc import Iterator
from typing import Any

from bruk.model.artifact import Gate, Model
from bruk.model.workload import Workload
from bruk.sdk.transport import Transport, segment
from bruk.wire.requests import EndpointBody, EndpointChange, GateBody


class Models:
    """Routes below ``/models``, and ``/gate``."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self) -> Iterator[Model]:
        """Every model that the caller may see."""
        return self._transport.items("/models", Model)

    def get(self, model: str) -> Model:
        """One model, with its lineage and evaluations."""
        return self._transport.load(Model, self._transport.get(f"/models/{segment(model)}"))

    def set_gate(self, model: str, body: GateBody) -> Any:
        """Set the rule that this model must pass before it may be served."""
        return self._transport.send("PUT", f"/models/{segment(model)}/gate", body)

    def gate(self) -> Gate | None:
        """The platform's own gate; None if there is none."""
        answer = self._transport.get("/gate")
        return None if answer is None else self._transport.load(Gate, answer)

    def set_default_gate(self, body: GateBody) -> Gate:
        """Set the platform's own gate."""
        return self._transport.load(Gate, self._transport.send("PUT", "/gate", body))

    def retire(self, model: str) -> Any:
        """Take a model out of use for good."""
        return self._transport.send("POST", f"/models/{segment(model)}/retire")


class Endpoints:
    """Routes below ``/endpoints``."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self) -> Iterator[Workload]:
        """Every endpoint that the caller may see."""
        return self._transport.items("/endpoints", Workload)

    def add(self, body: EndpointBody, *, idempotency_key: str | None = None) -> Workload:
        """Serve a model under a name."""
        answer = self._transport.send("POST", "/endpoints", body, idempotency_key=idempotency_key)
        return self._transport.load(Workload, answer)

    def scale(self, name: str, replicas: int) -> Any:
        """Keep so many replicas."""
        body = EndpointChange(replicas=replicas)
        return self._transport.send("PATCH", f"/endpoints/{segment(name)}", body)

    def remove(self, name: str) -> Any:
        """Stop serving."""
        return self._transport.send("DELETE", f"/endpoints/{segment(name)}")
