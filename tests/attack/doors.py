"""Control as ``bruk up`` serves it, on a real port, and bytes on real connections to it."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import uvicorn

from bruk.assembly.front import SERVING, Front
from bruk.assembly.platform import create_app

from .people import Cloud, cloud

HOST = b"Host: 127.0.0.1\r\n"
SILENT_S = 10.0
JSON = b"Content-Type: application/json\r\n"


@dataclass
class Door:
    """A listening server; ``token`` is what may do most there."""

    port: int
    token: str
    path: bytes

    def send(self, *pieces: bytes, half_close: bool = False) -> bytes:
        """Send pieces and read until the server closes or says no more."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=SILENT_S) as line:
            try:
                for piece in pieces:
                    line.sendall(piece)
                if half_close:
                    line.shutdown(socket.SHUT_WR)
                said = b""
                while data := line.recv(65536):
                    said += data
                return said
            except TimeoutError:
                raise AssertionError(f"neither answer nor end after {pieces[0][:80]!r}") from None
            except OSError:  # It closed at once.
                return b""

    def head(self, *lines: bytes, method: bytes = b"POST") -> bytes:
        authorization = b"Authorization: Bearer " + self.token.encode() + b"\r\n"
        return (
            method
            + b" "
            + self.path
            + b" HTTP/1.1\r\n"
            + HOST
            + authorization
            + JSON
            + b"".join(lines)
            + b"\r\n"
        )

    def lives(self) -> bool:
        return httpx.get(f"http://127.0.0.1:{self.port}/health").status_code == 200


@contextmanager
def standing_control(template: Path, folder: Path) -> Iterator[tuple[Cloud, Door]]:
    """Control with its console behind its front, its loop of steps standing still."""
    made = cloud(folder, template)
    control = made.api.world.control
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(Front(create_app(control), ("bruk.example.org",)), **SERVING, lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield made, Door(listener.getsockname()[1], made.api.world.token, b"/api/v1/tenants")
    control.changes.close()
    server.should_exit = True
    thread.join(20)
    made.api.world.close()
