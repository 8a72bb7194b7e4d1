"""A control that stands in for the real one: it remembers requests and answers from a table."""

from dataclasses import dataclass, field

import httpx
import pytest

from bruk.cli import main
from bruk.cli.settings import Settings
from bruk.sdk import Client


@dataclass
class StandIn:
    """Answers ``METHOD /path`` with JSON values; what is not in the table is not found."""

    answers: dict[str, object] = field(default_factory=dict)
    requests: list[httpx.Request] = field(default_factory=list)

    def answer(self, request: httpx.Request) -> httpx.Response:
        request.read()
        self.requests.append(request)
        path = request.url.path.removeprefix("/api/v1")
        found = self.answers.get(f"{request.method} {path}")
        if callable(found):
            found = found(request)
        if isinstance(found, httpx.Response):
            return found
        if found is None:
            problem = {"code": "not_found", "title": "t", "status": 404, "detail": f"There is no {path}."}
            return httpx.Response(404, json=problem)
        if isinstance(found, list):
            found = {"items": found, "next": None}
        return httpx.Response(200, json=found, headers={"Date": "Sun, 22 Nov 2026 18:00:00 GMT"})

    def sent(self, method: str, path: str) -> httpx.Request:
        """The one request of this kind."""
        (found,) = [
            request
            for request in self.requests
            if (request.method, request.url.path) == (method, f"/api/v1{path}")
        ]
        return found


@pytest.fixture
def control(monkeypatch):
    stand_in = StandIn()
    line = httpx.MockTransport(stand_in.answer)
    monkeypatch.setattr(Settings, "client", lambda self: Client(self.address(), self.credential(), line=line))
    return stand_in


@pytest.fixture
def bruk(monkeypatch, tmp_path, capfdbinary):
    """Runs a command line; answers its exit status, standard output and standard error."""
    for name in ("BRUK_URL", "BRUK_TOKEN", "BRUK_PROJECT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("BRUK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TZ", "Europe/Paris")

    def run(*arguments: str) -> tuple[int, str, str]:
        status = main.status(list(arguments))
        out, err = capfdbinary.readouterr()
        return status, out.decode(), err.decode()

    return run
