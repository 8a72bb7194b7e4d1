"""Runs an ASGI application on a free port of the loopback, in a thread with its own event loop."""

import asyncio
import socket
import threading
from typing import Any, ClassVar

import uvicorn


class Serving:
    """A server whose application can be exchanged; servers that are let go serve the next test."""

    _free: ClassVar[list["Serving"]] = []

    @classmethod
    def of(cls, app: Any) -> "Serving":
        serving = cls._free.pop() if cls._free else cls()
        serving._app = app
        return serving

    def let_go(self) -> None:
        if self._thread.is_alive() and self not in self._free:
            self._app = _nobody
            self._free.append(self)

    def __init__(self) -> None:
        self._app: Any = _nobody
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        config = uvicorn.Config(
            self._serve,
            interface="asgi3",
            proxy_headers=False,
            log_config=None,
            access_log=False,
            lifespan="off",
            timeout_graceful_shutdown=0,
        )
        self._server = uvicorn.Server(config)
        self._server.config.load()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    async def _serve(self, scope: Any, receive: Any, send: Any) -> None:
        await self._app(scope, receive, send)

    def _run(self) -> None:
        asyncio.run(self._server.serve([self._socket]))

    def stop(self) -> None:
        self._server.should_exit = True
        self._server.force_exit = True
        self._thread.join(10)
        assert not self._thread.is_alive()


async def _nobody(scope: Any, receive: Any, send: Any) -> None:
    raise ConnectionError("no application is served here now")
