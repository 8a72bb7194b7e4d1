"""The only way out of a sandbox: a proxy on the run's own loopback that makes the connections it declared.

``inside`` listens in the sandbox's network before the command starts, and hands the listening socket
out; this side accepts, reads what is asked for, judges it by name and by address, and connects to the
very address that was judged. No socket of this machine's network ever goes into the sandbox. It runs in
a thread of the supervisor, on the run's own cores, and ends with it. Whatever a run sends, it keeps
waiting itself alone. Standard library only: the supervisor imports it.
"""

import asyncio
import json
import os
import socket
import threading
import time
from collections.abc import Awaitable, Callable

from bruk.engines.local import tunnel
from bruk.engines.local.connect import Refused, asked, refusal
from bruk.engines.local.inside import LOOPBACK, PROXY_PORT
from bruk.engines.local.log import Log
from bruk.engines.local.lookup import Lookup
from bruk.engines.local.records import Order
from bruk.model.egress import Destination, allowed, names, parse, refused_address

ADDRESS = (LOOPBACK, PROXY_PORT)
CONNECTIONS_MAX = 128  # Each takes two of the 1024 files that a process usually may open.
ADDRESSES_MAX = 8
LOG_BYTES = 2**20
REFUSALS_MAX = 1000  # Written down one by one; what is granted is written as long as there is room.
SAID_MAX = 100

Resolve = Callable[[str, int], Awaitable[list[str]]]


class Proxy:
    """Answers from ``start`` on; until then callers wait."""

    def __init__(
        self,
        listener: socket.socket,
        order: Order,
        log: Log,
        say: Callable[[str], None],
        resolve: Resolve | None = None,
    ) -> None:
        """Take over the listening socket.

        Args:
            log: takes a line of JSON for each connection, refusal and end.
            say: takes a sentence for the run's owner on each destination, once.
        """
        self._listener = listener
        self._declared = [parse(text) for text in order.network]
        self._opened = [parse(text) for text in order.opened]
        self._cores = order.cores
        self._ahead_ms = order.clock_ms - order.monotonic_ms
        self._log = log
        self._say = say
        self._said: set[tuple[str, str]] = set()
        self._refusals = 0
        self._resolve = resolve or Lookup()
        listener.setblocking(False)

    def start(self) -> None:
        # It dies with the supervisor, whose end waits for nobody.
        threading.Thread(target=self._run, name="proxy", daemon=True).start()

    def _run(self) -> None:
        if self._cores:
            os.sched_setaffinity(0, self._cores)  # This thread's alone (sched_setaffinity(2)).
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        loop = asyncio.get_running_loop()
        room = asyncio.Semaphore(CONNECTIONS_MAX)
        kept: set[asyncio.Task[None]] = set()

        def ended(task: asyncio.Task[None]) -> None:
            kept.discard(task)
            room.release()

        while True:
            await room.acquire()  # Beyond that they wait in the sandbox, at nobody's expense.
            try:
                inner, _ = await loop.sock_accept(self._listener)
            except OSError:
                room.release()
                await asyncio.sleep(1)  # Files have run out: some connection may end meanwhile.
                continue
            task = loop.create_task(self._answer(inner))
            kept.add(task)
            task.add_done_callback(ended)

    async def _answer(self, inner: socket.socket) -> None:
        """One connection from its first byte to its last."""
        try:
            found = await tunnel.head(inner)
            if found is not None:
                await self._connect(inner, asked(found[0]), found[1])
        except Refused as error:
            self._refused(error)
            await tunnel.tell(inner, refusal(error))
        except OSError:
            pass  # The run has gone from it: nobody is left to be told.
        except Exception as error:  # A defect must not take the others along; it is written down.
            self._refused(Refused(502, f"the proxy failed: {error!r}"))
        finally:
            inner.close()

    async def _connect(self, inner: socket.socket, wanted: Destination, rest: bytes) -> None:
        if wanted.port is None or not allowed(self._declared, wanted.host, wanted.port):
            known = ", ".join(map(str, self._declared))
            raise Refused(403, f"{wanted} is not among what the job declares ({known})", str(wanted))
        outer, address = await self._reached(wanted, wanted.port)
        sent, received = tunnel.Count(), tunnel.Count()
        try:
            self._write("opened", str(wanted), address=address)
            self._tell_owner("opened", str(wanted), f"connected to {wanted} at {address}")
            await tunnel.carry(inner, outer, rest, sent, received)
        finally:
            outer.close()
            self._write("ended", str(wanted), sent=sent.bytes, received=received.bytes)

    async def _reached(self, wanted: Destination, port: int) -> tuple[socket.socket, str]:
        """A connection to the first address of the destination that may be connected to and answers."""
        try:
            found = await self._resolve(wanted.host, port)
        except TimeoutError:
            raise Refused(504, f"{wanted.host} was not found in time", str(wanted)) from None
        except OSError as error:
            raise Refused(
                502, f"{wanted.host} was not found: {error.strerror or error}", str(wanted)
            ) from None
        wrong = {each: self._wrong(each, port) for each in found[:ADDRESSES_MAX]}
        if all(wrong.values()):
            why = "; ".join(sorted(set(wrong.values()))) or "it has no address"
            raise Refused(403, f"{wanted} leads where no run may connect: {why}", str(wanted))
        why = ""
        for address in [each for each in found[:ADDRESSES_MAX] if not wrong[each]]:
            try:
                return await tunnel.connected(address, port), address
            except TimeoutError:
                why = f"{address} did not answer within {tunnel.CONNECT_TIMEOUT_S:.0f} s"
            except OSError as error:
                why = f"{address}: {os.strerror(error.errno or 0)}"
        raise Refused(502, f"{wanted} was not reached: {why}", str(wanted))

    def _wrong(self, address: str, port: int) -> str:
        """Why an address must not be connected to; empty if it may."""
        why = refused_address(address, port, self._opened)
        if not why and not names(self._opened, address, port) and tunnel.is_own(address, port):
            why = f"the address {address} is this machine itself"
        return why

    def _refused(self, error: Refused) -> None:
        self._refusals += 1
        if self._refusals <= REFUSALS_MAX:
            self._write("refused", error.to, why=error.why)
            self._tell_owner("refused", error.to, f"refused: {error.why}")
        if self._refusals == REFUSALS_MAX:
            self._write("refused", "", why="further refusals are not written down")

    def _write(self, what: str, to: str, **more: str | int) -> None:
        at_ms = self._ahead_ms + time.monotonic_ns() // 1_000_000
        self._log.append(json.dumps({"at_ms": at_ms, "what": what, "to": to, **more}).encode() + b"\n")

    def _tell_owner(self, what: str, to: str, sentence: str) -> None:
        if (what, to) not in self._said and len(self._said) < SAID_MAX:
            self._said.add((what, to))
            self._say(f"network: {sentence}")


def listener_of(file: int) -> socket.socket | None:
    """The listening socket behind a file descriptor out of the sandbox; None, and closed, if it is
    anything else."""
    try:
        found = socket.socket(fileno=file)
    except OSError:
        os.close(file)
        return None
    tcp = found.family == socket.AF_INET and found.type == socket.SOCK_STREAM
    if (
        not tcp
        or not found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        or found.getsockname() != ADDRESS
    ):
        found.close()
        return None
    return found
