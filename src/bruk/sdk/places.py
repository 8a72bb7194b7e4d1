"""Sites, their nodes, gateways, the switch, and what the scheduler knows."""

from collections.abc import Iterator
from typing import Any

from bruk.model.site import Node, Site
from bruk.model.snapshot import Snapshot
from bruk.model.switch import Hold
from bruk.sdk.transport import Transport, segment
from bruk.wire.answers import GatewayStatus, NodeKind, ReceiptRow, SwitchState
from bruk.wire.requests import GatewayBody, PowerBody, SiteBody, SiteChange, SwitchBody


class Sites:
    """Routes below ``/sites``."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self) -> Iterator[Site]:
        """Every site that the caller may see."""
        return self._transport.items("/sites", Site)

    def get(self, site: str) -> Site:
        """One site."""
        return self._transport.load(Site, self._transport.get(f"/sites/{segment(site)}"))

    def add(self, body: SiteBody, *, idempotency_key: str | None = None) -> tuple[Site, str]:
        """A new site, and its agent's token, which is shown only now."""
        answer = self._transport.send("POST", "/sites", body, idempotency_key=idempotency_key)
        site = self._transport.load(Site, self._transport.part(answer, "site"))
        return site, str(self._transport.part(answer, "token"))

    def renew_token(self, site: str) -> str:
        """A fresh token for the site's agent; the old one stops working at once."""
        answer = self._transport.send("POST", f"/sites/{segment(site)}/token")
        return str(self._transport.part(answer, "token"))

    def change(self, site: str, body: SiteChange) -> Site:
        """Change what the body names."""
        return self._transport.load(Site, self._transport.send("PATCH", f"/sites/{segment(site)}", body))

    def limit_power(self, site: str, body: PowerBody) -> Site:
        """Say anew how much power the site may draw, and when."""
        return self._transport.load(Site, self._transport.send("PUT", f"/sites/{segment(site)}/power", body))

    def kinds(self, site: str) -> Iterator[NodeKind]:
        """What kinds of nodes a site has, and how many of each."""
        return self._transport.items(f"/sites/{segment(site)}/kinds", NodeKind)

    def nodes(self, site: str) -> Iterator[Node]:
        """The nodes of a site by name, as its engine last reported them; for operators and auditors."""
        return self._transport.items(f"/sites/{segment(site)}/nodes", Node)

    def drain(self, site: str, node: str) -> Node:
        """Let no new work onto a node."""
        return self._node(site, node, "drain")

    def undrain(self, site: str, node: str) -> Node:
        """Let work onto a node again."""
        return self._node(site, node, "undrain")

    def _node(self, site: str, node: str, action: str) -> Node:
        path = f"/sites/{segment(site)}/nodes/{segment(node)}/{action}"
        return self._transport.load(Node, self._transport.send("POST", path))


class Scheduler:
    """Routes below ``/scheduler``."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def snapshot(self) -> Snapshot:
        """All that the scheduler knows at this instant; for operators of the platform."""
        return self._transport.load(Snapshot, self._transport.get("/scheduler/snapshot"))


class Gateways:
    """Routes below ``/gateways``."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self) -> Iterator[GatewayStatus]:
        """Every gateway."""
        return self._transport.items("/gateways", GatewayStatus)

    def add(self, body: GatewayBody, *, idempotency_key: str | None = None) -> tuple[GatewayStatus, str]:
        """A new gateway, and its token, which is shown only now."""
        answer = self._transport.send("POST", "/gateways", body, idempotency_key=idempotency_key)
        gateway = self._transport.load(GatewayStatus, self._transport.part(answer, "gateway"))
        return gateway, str(self._transport.part(answer, "token"))

    def renew_token(self, gateway: str) -> str:
        """A fresh token for a gateway; the old one stops working at once."""
        answer = self._transport.send("POST", f"/gateways/{segment(gateway)}/token")
        return str(self._transport.part(answer, "token"))


class Switch:
    """Routes below ``/switch``."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def state(self) -> SwitchState:
        """The generation, the standing holds, and what each enforcer has acknowledged."""
        return self._transport.load(SwitchState, self._transport.get("/switch"))

    def off(self, body: SwitchBody, *, idempotency_key: str | None = None) -> tuple[Hold, str]:
        """Raise a hold; answers it and the id of the receipt to come."""
        return self._turn("off", body, idempotency_key)

    def on(self, body: SwitchBody, *, idempotency_key: str | None = None) -> tuple[Hold, str]:
        """Release a hold; answers it and the id of the receipt to come."""
        return self._turn("on", body, idempotency_key)

    def _turn(self, way: str, body: SwitchBody, idempotency_key: str | None) -> tuple[Hold, str]:
        answer = self._transport.send("POST", f"/switch/{way}", body, idempotency_key=idempotency_key)
        hold = self._transport.load(Hold, self._transport.part(answer, "hold"))
        return hold, str(self._transport.part(answer, "receipt"))

    def receipts(self) -> Iterator[ReceiptRow]:
        """Every receipt, oldest first."""
        return self._transport.items("/switch/receipts", ReceiptRow)

    def receipt(self, receipt: str) -> tuple[bool, dict[str, Any]]:
        """Whether everyone has answered, and the sealed document: final, or as things stand now."""
        answer = self._transport.request("GET", f"/switch/receipts/{segment(receipt)}")
        return answer.headers.get("X-Complete") == "true", self._transport.json_of(answer)
