"""The bytes of a connection through a run's proxy: the head, the connection outward, what goes over it.

All of it is bounded in size and in time. Standard library only: the supervisor imports it.
"""

import asyncio
import contextlib
import socket
from dataclasses import dataclass

from bruk.engines.local.connect import GRANTED, HEAD_BYTES_MAX, HEAD_END, Refused

READ_BYTES = 65536
HEAD_TIMEOUT_S = 10.0
CONNECT_TIMEOUT_S = 10.0
IDLE_S = 600.0
LINGER_S = 1.0


@dataclass(slots=True)
class Count:
    """What has gone over a connection in one direction."""

    bytes: int = 0


async def head(inner: socket.socket) -> tuple[bytes, bytes] | None:
    """The head of a request and what came behind it; None if it was closed before.

    Raises:
        Refused: it is too long, or does not come.
    """
    loop = asyncio.get_running_loop()
    got = bytearray()
    try:
        async with asyncio.timeout(HEAD_TIMEOUT_S):
            while HEAD_END not in got:
                if len(got) > HEAD_BYTES_MAX:
                    raise Refused(431, f"the head of a request has at most {HEAD_BYTES_MAX} bytes")
                data = await loop.sock_recv(inner, HEAD_BYTES_MAX)
                if not data:
                    return None
                got += data
    except TimeoutError:
        raise Refused(408, f"the request was not whole within {HEAD_TIMEOUT_S:.0f} s") from None
    found, _, rest = bytes(got).partition(HEAD_END)
    return found, rest


async def connected(address: str, port: int) -> socket.socket:
    """A connection to that very address.

    Raises:
        OSError: nobody answers there.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    outer = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        outer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            await asyncio.get_running_loop().sock_connect(outer, (address, port))
    except BaseException:
        outer.close()
        raise
    return outer


def is_own(address: str, port: int) -> bool:
    """Whether an address is one of this machine's: a packet to it would come from itself. None is sent."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe, contextlib.suppress(OSError):
        probe.connect((address, port))
        return bool(probe.getsockname()[0] == probe.getpeername()[0])
    return False


async def carry(
    inner: socket.socket, outer: socket.socket, rest: bytes, sent: Count, received: Count
) -> None:
    """Carry bytes both ways until both sides have ended, one has gone, or nothing moves any more."""
    loop = asyncio.get_running_loop()
    inner.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    idle = asyncio.timeout(IDLE_S)

    async def copy(source: socket.socket, target: socket.socket, data: bytes, count: Count) -> None:
        while data := data or await loop.sock_recv(source, READ_BYTES):
            await loop.sock_sendall(target, data)
            count.bytes += len(data)
            if not idle.expired():
                idle.reschedule(loop.time() + IDLE_S)
            data = b""
        target.shutdown(socket.SHUT_WR)

    try:
        async with idle, asyncio.TaskGroup() as both:
            await loop.sock_sendall(inner, GRANTED)
            both.create_task(copy(inner, outer, rest, sent))
            both.create_task(copy(outer, inner, b"", received))
    except* OSError:
        pass  # One side has gone, or nothing moved; the caller closes both.


async def tell(inner: socket.socket, answer: bytes) -> None:
    """Send the last words of a connection, and let them arrive: bytes left unread would undo them."""
    loop = asyncio.get_running_loop()
    with contextlib.suppress(OSError):
        async with asyncio.timeout(LINGER_S):
            await loop.sock_sendall(inner, answer)
            inner.shutdown(socket.SHUT_WR)
            for _ in range(16):
                if not await loop.sock_recv(inner, READ_BYTES):
                    break
