"""Models with their gates, and the endpoints that serve them."""

from collections.abc import Iterator

from bruk.model.artifact import Gate, Model
from bruk.model.workload import Workload
from bruk.sdk.transport import Transport, segment
from bruk.wire import codec
from bruk.wire.answers import WorkloadView
from bruk.wire.requests import AttachBody, EndpointBody, EndpointChange, GateBody


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

    def set_gate(self, model: str, body: GateBody) -> Gate:
        """Set the rule that this model must pass before it may be served."""
        answer = self._transport.send("PUT", f"/models/{segment(model)}/gate", body)
        return self._transport.load(Gate, answer)

    def gate(self) -> Gate:
        """The rule for models without one of their own."""
        return self._transport.load(Gate, self._transport.get("/gate"))

    def set_default_gate(self, body: GateBody) -> Gate:
        """Set the rule for models without one of their own."""
        return self._transport.load(Gate, self._transport.send("PUT", "/gate", body))

    def retire(self, model: str) -> Model:
        """Take a model out of use for good."""
        return self._transport.load(Model, self._transport.send("POST", f"/models/{segment(model)}/retire"))


class Endpoints:
    """Routes below ``/endpoints``."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self) -> Iterator[WorkloadView]:
        """Every open endpoint that the caller may see, with its replicas."""
        return self._transport.items("/endpoints", WorkloadView)

    def get(self, name: str) -> WorkloadView:
        """One endpoint by its name, with its replicas."""
        return self._transport.load(WorkloadView, self._transport.get(f"/endpoints/{segment(name)}"))

    def add(self, body: EndpointBody, *, idempotency_key: str | None = None) -> Workload:
        """Serve a model under a name."""
        answer = self._transport.send("POST", "/endpoints", body, idempotency_key=idempotency_key)
        return self._transport.load(Workload, answer)

    def attach(self, body: AttachBody, *, idempotency_key: str | None = None) -> Workload:
        """Offer a server that already runs."""
        answer = self._transport.send("POST", "/endpoints/attached", body, idempotency_key=idempotency_key)
        return self._transport.load(Workload, answer)

    def scale(self, name: str, replicas: int) -> Workload:
        """Keep so many replicas."""
        body = codec.body(EndpointChange, replicas=replicas)
        return self._transport.load(
            Workload, self._transport.send("PATCH", f"/endpoints/{segment(name)}", body)
        )

    def remove(self, name: str) -> Workload:
        """Stop serving under this name."""
        return self._transport.load(Workload, self._transport.send("DELETE", f"/endpoints/{segment(name)}"))
