"""A token that is renewed in its file is taken up by the process that bears it."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import httpx
import pytest

from bruk.wire.bearer import BearerFile


class Door(HTTPServer):
    """Lets one token in, and remembers what it was shown."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.good = "old"
        self.shown: list[str] = []
        self.bodies: list[bytes] = []


class Answer(BaseHTTPRequestHandler):
    server: Door

    def do_POST(self) -> None:
        self.server.bodies.append(self.rfile.read(int(self.headers.get("Content-Length", 0))))
        token = self.headers["Authorization"].removeprefix("Bearer ")
        self.server.shown.append(token)
        self.send_response(200 if token == self.server.good else 401)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def door() -> Iterator[Door]:
    found = Door()
    thread = threading.Thread(target=found.serve_forever, args=(0.01,))
    thread.start()
    yield found
    found.shutdown()
    thread.join()
    found.server_close()


def _client(door: Door, file: Path | None) -> httpx.Client:
    url = f"http://127.0.0.1:{door.server_address[1]}"
    return httpx.Client(base_url=url, auth=BearerFile("old", file), trust_env=False)


def test_a_renewed_token_is_used_from_the_first_refusal_on(door: Door, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("old")
    with _client(door, file) as client:
        assert client.post("/", content=b"one").status_code == 200
        door.good = "new"
        file.write_text("new\n")
        assert client.post("/", content=b"two").status_code == 200
        assert client.post("/", content=b"three").status_code == 200
    assert door.shown == ["old", "old", "new", "new"]
    assert door.bodies == [b"one", b"two", b"two", b"three"]


def test_a_body_that_was_streamed_is_not_sent_twice_but_the_token_is_kept(door: Door, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("new")
    door.good = "new"
    with _client(door, file) as client:
        headers = {"Content-Length": "3"}
        assert client.post("/", content=iter([b"one"]), headers=headers).status_code == 401
        assert client.post("/", content=iter([b"one"]), headers=headers).status_code == 200


@pytest.mark.parametrize("content", [None, "", "old"])
def test_without_another_token_the_refusal_stands(door: Door, tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "token"
    if content is not None:
        file.write_text(content)
    door.good = "new"
    with _client(door, file) as client:
        assert client.post("/", content=b"x").status_code == 401
    assert door.shown == ["old"]
