"""A command in a sandbox, as its supervisor holds it.

Three processes stand between them: bubblewrap's own outside, which only waits, then ``inside`` as the
first process of the sandbox, then the command. When the first of the sandbox ends, for whatever
reason, the kernel ends all others in it, and it ends when the supervisor does. What comes out of the
sandbox is taken for what a hostile run may have said. Standard library only: the supervisor imports
it.
"""

import contextlib
import os
import signal
import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bruk.engines.local import records, sandbox
from bruk.engines.local.child import Command, Start, StartFailed, spawn
from bruk.engines.local.log import Log
from bruk.engines.local.processes import MARK, Process, in_sandbox, innermost_group, kill, send
from bruk.engines.local.records import Order

if TYPE_CHECKING:
    from bruk.engines.local.relay import Relay

START_TIMEOUT_S = 20
MESSAGE_BYTES = 8192
MESSAGES_MAX = 16
WAIT_STATUS_MAX = 0xFFFF


class SandboxedCommand(Command):
    """See ``child.Command``; ``pid`` is bubblewrap's."""

    def __init__(self, order: Order, log: int, groups: Sequence[str]) -> None:
        """Start the order's command.

        Raises:
            StartFailed: says which step failed and why.
            OSError: a port is in use, or file descriptors ran out.
            ValueError: what is to be shown to it contradicts itself.
        """
        super().__init__(0)
        self._control, self._inner = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._proxied: list[int] = []
        self._network_log: Log | None = None
        self._relay: Relay | None = None
        if order.ports:
            from bruk.engines.local import relay  # What few need and is slow to load.

            self._relay = relay.Relay(order.ports)
        try:
            self._start(order, log, groups)
        except BaseException:
            self.close()
            raise
        if self._relay is not None:
            self._relay.start()

    def _start(self, order: Order, log: int, groups: Sequence[str]) -> None:
        control = self._inner
        door = self._relay.door.fileno() if self._relay is not None else -1
        complaints, errors = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        data = sandbox.data_files(order)
        try:
            own = [control.fileno(), *([door] if door >= 0 else []), *data.values()]
            arguments = sandbox.arguments(
                order, hidden=order.hidden, control=control.fileno(), door=door, data=data
            )
            env = {**sandbox.ENVIRONMENT, MARK: order.mark}
            self.pid = spawn(Start(arguments, env, "/", order.cores, groups, log, errors, own))
            control.close()
            self._control.settimeout(START_TIMEOUT_S)
            self._group = self._started(complaints)
            self._control.settimeout(0)
        finally:
            control.close()
            if self._relay is not None:
                self._relay.door.close()
            for number in (complaints, errors, *data.values()):
                os.close(number)

    def _started(self, complaints: int) -> int:
        """The number of the command's group within the sandbox.

        Raises:
            StartFailed: the sandbox could not be made, or the command not be executed.
        """
        try:
            said, self._proxied, _, _ = socket.recv_fds(self._control, MESSAGE_BYTES, 1)
        except TimeoutError:
            raise StartFailed(f"its sandbox has not answered within {START_TIMEOUT_S} s") from None
        word, _, rest = said.decode("utf-8", "replace").partition(" ")
        if word == "started" and rest.isdecimal():
            return int(rest)
        os.waitpid(self.pid, 0)
        if word == "failed":
            raise StartFailed(rest)
        with contextlib.suppress(BlockingIOError):
            said = os.read(complaints, MESSAGE_BYTES)
        text = said.decode("utf-8", "replace").strip() or "it said nothing"
        raise StartFailed(f"its sandbox could not be made: {text}")

    def open_network(self, order: Order, folder: Path, say: Callable[[str], None]) -> None:
        if not order.network:
            return
        from bruk.engines.local import proxy  # What few need and is slow to load.

        listener = proxy.listener_of(self._proxied.pop()) if self._proxied else None
        if listener is None:
            raise StartFailed("its sandbox has made no proxy for the destinations that it declares")
        self._network_log = Log(folder / records.NETWORK_LOG, proxy.LOG_BYTES)
        proxy.Proxy(listener, order, self._network_log, say).start()

    def hear(self) -> None:
        for _ in range(MESSAGES_MAX):
            try:
                word, _, rest = self._control.recv(MESSAGE_BYTES).decode("utf-8", "replace").partition(" ")
            except OSError:
                return  # Nothing more now, or never.
            if word == "ended" and rest.isdecimal() and int(rest) <= WAIT_STATUS_MAX and self.status is None:
                self.status = int(rest)

    def fileno(self) -> int:
        return self._control.fileno()

    def reaped(self, status: int) -> None:
        self.hear()
        if self.status is None:
            self.status = status
            self.detail = "its sandbox was ended before the command"

    def processes(self, found: Sequence[Process]) -> list[Process]:
        return in_sandbox(found, os.getpid())

    def group(self, found: Sequence[Process]) -> list[Process]:
        return [each for each in self.processes(found) if innermost_group(each.pid) == self._group]

    def terminate(self) -> None:
        with contextlib.suppress(OSError):  # The sandbox may have ended in between.
            self._control.send(b"term")

    def kill(self, found: Sequence[Process]) -> None:
        # All others in there end with the first, before any of them can start one more.
        for each in found:
            if each.parent == self.pid:
                send(each.pid, each.start, signal.SIGKILL)
        kill(self.processes(found))

    def close(self) -> None:
        self._control.close()
        if self._network_log is not None:
            self._network_log.close()
        if self._relay is not None:
            self._relay.close()
