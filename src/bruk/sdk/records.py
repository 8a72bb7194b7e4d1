"""Prices, and the records that never change: ledger, invoices, audit."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from bruk.model.ledger import AuditEntry, LedgerEntry, Price
from bruk.sdk.transport import Transport, segment
from bruk.sdk.whole_file import written_whole
from bruk.wire import codec
from bruk.wire.access import SigningKeyBody
from bruk.wire.answers import InvoiceRow, IssuedInvoice, SigningKeyStatus
from bruk.wire.requests import CreditBody, InvoiceBody, PriceBody


class Prices:
    """Routes below ``/prices``."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self) -> Iterator[Price]:
        """Every version of every price."""
        return self._transport.items("/prices", Price)

    def set(self, body: PriceBody, *, idempotency_key: str | None = None) -> Price:
        """A new version of a price."""
        answer = self._transport.send("POST", "/prices", body, idempotency_key=idempotency_key)
        return self._transport.load(Price, answer)


class Ledger:
    """Routes below ``/ledger``."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(
        self, *, tenant: str | None = None, project: str | None = None, after: int | None = None
    ) -> Iterator[LedgerEntry]:
        """Entries in the order of the chain, beginning behind ``after``."""
        params = {"tenant": tenant, "project": project, "after": after}
        return self._transport.items("/ledger", LedgerEntry, params)

    def export(self, path: Path) -> int:
        """Write the sealed chain to a file that can be verified offline; return its size [bytes]."""
        return _download(self._transport, "/ledger/export", path)

    def credit(self, body: CreditBody, *, idempotency_key: str | None = None) -> LedgerEntry:
        """Correct the past with an entry that gives an amount back; nothing is changed or removed."""
        answer = self._transport.send("POST", "/ledger/credits", body, idempotency_key=idempotency_key)
        return self._transport.load(LedgerEntry, answer)


class Invoices:
    """Routes below ``/invoices``."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self) -> Iterator[InvoiceRow]:
        """Every invoice that the caller may see."""
        return self._transport.items("/invoices", InvoiceRow)

    def issue(self, body: InvoiceBody, *, idempotency_key: str | None = None) -> IssuedInvoice:
        """Issue the next numbered invoice over a tenant's ledger."""
        answer = self._transport.send("POST", "/invoices", body, idempotency_key=idempotency_key)
        return self._transport.load(IssuedInvoice, answer)

    def get(self, number: str) -> dict[str, Any]:
        """One invoice, a sealed document."""
        return cast(dict[str, Any], self._transport.get(f"/invoices/{segment(number)}"))

    def document(self, number: str, form: str) -> bytes:
        """One invoice as ``json``, ``html``, ``text`` or ``csv``, exactly as it was sent."""
        path = f"/invoices/{segment(number)}"
        return self._transport.request("GET", path, params={"format": form}).content


class Audit:
    """Routes below ``/audit``."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self, *, after: int | None = None) -> Iterator[AuditEntry]:
        """Entries in the order of the chain, beginning behind ``after``."""
        return self._transport.items("/audit", AuditEntry, {"after": after})

    def export(self, path: Path) -> int:
        """Write the sealed chain to a file that can be verified offline; return its size [bytes]."""
        return _download(self._transport, "/audit/export", path)


def _download(transport: Transport, route: str, path: Path) -> int:
    with transport.stream("GET", route) as answer, written_whole(path, replace=True) as file:
        for piece in answer.iter_bytes():
            file.write(piece)
        return file.tell()


class SigningKeys:
    """Routes below ``/signing-keys``."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self) -> tuple[SigningKeyStatus, ...]:
        """Every key that signs or signed, the oldest first."""
        found = self._transport.get("/signing-keys")
        return tuple(self._transport.load(SigningKeyStatus, item) for item in found)

    def rotate(
        self, revoked_from_ms: int | None = None, *, idempotency_key: str | None = None
    ) -> SigningKeyStatus:
        """Let a new key sign from now on; the old one is revoked from a time on if one is given [ms]."""
        body = codec.body(SigningKeyBody, revoked_from_ms=revoked_from_ms)
        answer = self._transport.send("POST", "/signing-keys/rotate", body, idempotency_key=idempotency_key)
        return self._transport.load(SigningKeyStatus, answer)
