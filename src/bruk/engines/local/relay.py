"""From a port of this machine's loopback into a run's own: how a replica in a sandbox is reached.

This side listens; for each caller it asks ``inside`` through the door for a connection made in the
sandbox's network, and carries bytes between the two. No socket of this machine's network ever goes
into the sandbox, where it could be connected anew to elsewhere. It runs in a thread of the
supervisor and ends with it; a run that makes it wait keeps its own callers waiting and nobody else's.
Standard library only: the supervisor imports it.
"""

import asyncio
import contextlib
import os
import socket
import threading
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

LOOPBACK = "127.0.0.1"
CALLERS_MAX = 256  # Each takes two of the 1024 files that a process usually may open.
WAITING_MAX = 64
READ_BYTES = 65536
ANSWER_TIMEOUT_S = 10

Carry = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]]


class Relay:
    """Listens from the moment it is made, carries from ``start`` on.

    Attributes:
        door: the sandbox's end of the door; the maker gives it to the sandbox, then closes it.
    """

    def __init__(self, ports: Sequence[int]) -> None:
        """Listen.

        Raises:
            OSError: a port is in use.
        """
        self._listeners: list[socket.socket] = []
        try:
            for port in ports:
                self._listeners.append(_listener(port))
        except OSError:
            self.close()
            raise
        self._ours, self.door = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._ours.setblocking(False)
        self._callers = 0
        self._waiting: list[asyncio.Future[socket.socket | None]] = []

    def start(self) -> None:
        # It dies with the supervisor, whose end waits for nobody.
        threading.Thread(target=lambda: asyncio.run(self._serve()), name="relay", daemon=True).start()

    def close(self) -> None:
        for each in self._listeners:
            each.close()

    async def _serve(self) -> None:
        asyncio.get_running_loop().add_reader(self._ours, self._answered)
        servers = [
            await asyncio.start_server(self._accept(each.getsockname()[1]), sock=each, limit=READ_BYTES)
            for each in self._listeners
        ]
        await asyncio.gather(*(server.serve_forever() for server in servers))

    def _accept(self, port: int) -> Carry:
        async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self._callers += 1
            try:
                if self._callers <= CALLERS_MAX:
                    await self._carry(port, reader, writer)
            except OSError:
                writer.transport.abort()  # One of both has gone: the other learns it so.
            finally:
                self._callers -= 1
                writer.close()  # What it has not read yet still goes to it.

        return carry

    async def _carry(self, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner = await self._ask(port)
        if inner is None:
            return
        try:
            await asyncio.wait_for(_connected(inner), ANSWER_TIMEOUT_S)
            inner_reader, inner_writer = await asyncio.open_connection(sock=inner, limit=READ_BYTES)
        except BaseException:
            inner.close()
            raise
        try:
            await asyncio.gather(_copy(reader, inner_writer), _copy(inner_reader, writer))
        except OSError:
            inner_writer.transport.abort()
            raise
        finally:
            inner_writer.close()

    async def _ask(self, port: int) -> socket.socket | None:
        """A connection to ``port`` made in the sandbox; None if it makes none."""
        if len(self._waiting) >= WAITING_MAX:
            return None
        answer: asyncio.Future[socket.socket | None] = asyncio.get_running_loop().create_future()
        self._ours.send(str(port).encode())
        self._waiting.append(answer)
        # Answers come in the order of the questions, so one that was given up keeps its place.
        return await asyncio.wait_for(answer, ANSWER_TIMEOUT_S)

    def _answered(self) -> None:
        try:
            word, files, _, _ = socket.recv_fds(self._ours, 64, 1)
        except OSError:
            word, files = b"", []
        if not word:  # The sandbox has ended; nobody waits for it.
            asyncio.get_running_loop().remove_reader(self._ours)
            for each in [each for each in self._waiting if not each.done()]:
                each.set_result(None)
            self._waiting.clear()
        inner = _tcp(files[0]) if files else None
        answer = self._waiting.pop(0) if self._waiting else None
        if answer is not None and not answer.done():
            answer.set_result(inner)
        elif inner is not None:
            inner.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(READ_BYTES):
        writer.write(data)
        await writer.drain()
    with contextlib.suppress(OSError):
        writer.write_eof()


async def _connected(inner: socket.socket) -> None:
    """Wait until a connection under way stands.

    Raises:
        OSError: nobody listens there.
    """
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()
    loop.add_writer(inner, ready.set_result, None)
    try:
        await ready
    finally:
        loop.remove_writer(inner)
    number = inner.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if number:
        raise OSError(number, os.strerror(number))


def _listener(port: int) -> socket.socket:
    """A socket that listens.

    Raises:
        OSError: the port is in use; the message names it.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((LOOPBACK, port))
        listener.listen(128)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        raise OSError(
            error.errno, f"port {port} of {LOOPBACK} cannot be listened on: {error.strerror}"
        ) from None
    return listener


def _tcp(file: int) -> socket.socket | None:
    """The TCP connection behind a file descriptor out of the sandbox; None, and closed, if it is
    anything else."""
    try:
        found = socket.socket(fileno=file)
    except OSError:
        os.close(file)
        return None
    if found.family != socket.AF_INET or found.type != socket.SOCK_STREAM:
        found.close()
        return None
    found.setblocking(False)
    return found
