"""Bounds on the head of a request, which uvicorn's httptools protocol does not have.

Without them a stranger could fill memory with a header that never ends, or keep connections open for
nothing. It must never judge a body: `exchange` does. Where httptools is not installed uvicorn takes
h11, which bounds the length of a head itself, once it is told.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from bruk.gateway.problem import Refusal

HEAD_BYTES_MAX = 64 * 1024
HEAD_S_MAX = 30.0

try:
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
except ImportError:  # pragma: no cover
    if not TYPE_CHECKING:
        HttpToolsProtocol = None


if TYPE_CHECKING or HttpToolsProtocol is not None:

    class BoundedHeads(HttpToolsProtocol):
        """uvicorn's protocol, which closes a connection whose head is too long or takes too long."""

        _in_head = True
        _head_bytes = 0
        _head_timer: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self._begin_head()

        def connection_lost(self, exc: Exception | None) -> None:
            self._stop_timer()
            super().connection_lost(exc)

        def on_message_begin(self) -> None:
            self._begin_head()
            super().on_message_begin()

        def on_headers_complete(self) -> None:
            self._in_head = False
            self._stop_timer()
            super().on_headers_complete()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            if self._in_head:
                self._head_bytes += len(data)
                if self._head_bytes > HEAD_BYTES_MAX:
                    self._refuse()

        def _begin_head(self) -> None:
            self._stop_timer()
            self._in_head, self._head_bytes = True, 0
            self._head_timer = self.loop.call_later(HEAD_S_MAX, self.transport.close)

        def _stop_timer(self) -> None:
            if self._head_timer is not None:
                self._head_timer.cancel()
                self._head_timer = None

        def _refuse(self) -> None:
            if self.transport.is_closing():
                return
            refusal = Refusal("headers_too_large", f"The headers are longer than {HEAD_BYTES_MAX} bytes.")
            body = refusal.body()
            head = (
                f"HTTP/1.1 {refusal.status} Request Header Fields Too Large\r\n"
                f"content-type: application/json\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
            )
            self.transport.write(head.encode("ascii") + body)
            self.transport.close()


def bounded() -> dict[str, Any]:
    """What uvicorn's configuration takes so that heads are bounded, whichever protocol it has."""
    chosen = "h11" if HttpToolsProtocol is None else BoundedHeads
    return {"http": chosen, "h11_max_incomplete_event_size": HEAD_BYTES_MAX}
