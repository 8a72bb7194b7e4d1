"""Names into addresses for a run's proxy, bounded in number and in time.

Each is looked up once for each connection, and the answer is judged and connected to as it is.
Standard library only: the supervisor imports it.
"""

import asyncio
import contextlib
import socket
import threading

LOOKUPS_MAX = 8
LOOKUP_TIMEOUT_S = 10.0


class Lookup:
    """Asks the machine's own resolver, in threads that nobody waits for at the end."""

    def __init__(self) -> None:
        self._room = asyncio.Semaphore(LOOKUPS_MAX)

    async def __call__(self, host: str, port: int) -> list[str]:
        """The addresses of a host, or the address itself.

        Raises:
            TimeoutError: no answer came.
            OSError: it has none, or the resolver does not work.
        """
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[list[str]] = loop.create_future()
        async with asyncio.timeout(LOOKUP_TIMEOUT_S):
            await self._room.acquire()  # Released by the thread, however long it takes.
            threading.Thread(target=self._look_up, args=(host, port, loop, answer), daemon=True).start()
            return await answer

    def _look_up(
        self, host: str, port: int, loop: asyncio.AbstractEventLoop, answer: "asyncio.Future[list[str]]"
    ) -> None:
        found: list[str] = []
        failure: OSError | None = None
        try:
            # As bytes it is not turned into another name by the standard library's IDNA.
            listed = socket.getaddrinfo(host.encode("ascii"), port, type=socket.SOCK_STREAM)
            found = list(dict.fromkeys(str(each[4][0]) for each in listed))
        except OSError as error:
            failure = error
        with contextlib.suppress(RuntimeError):  # The loop has ended meanwhile.
            loop.call_soon_threadsafe(self._looked_up, answer, found, failure)

    def _looked_up(
        self, answer: "asyncio.Future[list[str]]", found: list[str], failure: OSError | None
    ) -> None:
        self._room.release()
        if answer.done():
            return
        if failure is not None:
            answer.set_exception(failure)
        else:
            answer.set_result(found)
