"""Sites, their nodes, and the switch."""

from collections.abc import Iterator
from typing import Any, cast

from bruk.model.site import Node, Site
from bruk.model.switch import Hold
from bruk.sdk.transport import Transport, segment
from bruk.wire.requests import SiteBody, SiteChange, SwitchBody


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

    def add(self, body: SiteBody, *, idempotency_key: str | None = None) -> dict[str, Any]:
        """A new site. The answer is the site, with its agent's token if control made one."""
        answer = self._transport.send("POST", "/sites", body, idempotency_key=idempotency_key)
        return cast(dict[str, Any], answer)

    def change(self, site: str, body: SiteChange) -> Site:
        """Change what the body names."""
        return self._transport.load(Site, self._transport.send("PATCH", f"/sites/{segment(site)}", body))

    def nodes(self, site: str) -> Iterator[Node]:
        """The nodes of a site as its engine last reported them."""
        return self._transport.items(f"/sites/{segment(site)}/nodes", Node)

    def drain(self, site: str, node: str) -> None:
        """Let no new work onto a node."""
        self._transport.send("POST", f"/sites/{segment(site)}/nodes/{segment(node)}/drain")

    def undrain(self, site: str, node: str) -> None:
        """Let work onto a node again."""
        self._transport.send("POST", f"/sites/{segment(site)}/nodes/{segment(node)}/undrain")


class Switch:
    """Routes below ``/switch``."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def state(self) -> dict[str, Any]:
        """The generation, the standing holds, and what each enforcer has acknowledged."""
        return cast(dict[str, Any], self._transport.get("/switch"))

    def off(self, body: SwitchBody, *, idempotency_key: str | None = None) -> Hold:
        """Raise a hold."""
        answer = self._transport.send("POST", "/switch/off", body, idempotency_key=idempotency_key)
        return self._transport.load(Hold, answer)

    def on(self, body: SwitchBody, *, idempotency_key: str | None = None) -> Any:
        """Release a hold."""
        return self._transport.send("POST", "/switch/on", body, idempotency_key=idempotency_key)

    def receipts(self) -> Iterator[dict[str, Any]]:
        """Every receipt, newest first."""
        return self._transport.raw_items("/switch/receipts")

    def receipt(self, receipt: str) -> dict[str, Any]:
        """One receipt, a sealed document."""
        return cast(dict[str, Any], self._transport.get(f"/switch/receipts/{segment(receipt)}"))

    def receipt_bytes(self, receipt: str) -> bytes:
        """One receipt as the exact bytes that were sent, for a file to verify."""
        return self._transport.request("GET", f"/switch/receipts/{segment(receipt)}").content
