"""The very front of control: for whom a request was meant, and whether its path can be one.

A page of another site can give its own name the address of this machine (DNS rebinding) and would then
speak to control as if it were its own server; its name in the Host header tells. So only this machine's
names are answered, and those that the operator names for a proxy in front. Must never know a route;
look next at ``platform`` for what stands behind.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from bruk.api.door import problem
from bruk.gateway.heads import bounded
from bruk.model.errors import BrukError, Forbidden, InvalidInput, NotFound
from bruk.wire.problem import problem_of

HOSTS_VARIABLE = "BRUK_HOSTS"
# How uvicorn serves control: heads are bounded as at a gateway.
SERVING: dict[str, Any] = {
    **bounded(),
    "log_config": None,
    "access_log": False,
    "timeout_graceful_shutdown": 3,
}
OWN_HOSTS = frozenset({"127.0.0.1", "localhost", "[::1]"})


class ForeignHost(Forbidden):
    """A request names another host than those that control answers for."""

    code = "foreign_host"


def hosts_of(environ: Mapping[str, str]) -> tuple[str, ...]:
    """The names beside this machine's own under which control is reached, from ``BRUK_HOSTS``.

    Raises:
        InvalidInput: one of them is no host name.
    """
    names = [name.strip().lower() for name in environ.get(HOSTS_VARIABLE, "").split(",") if name.strip()]
    for name in names:
        if not all(letter.isascii() and (letter.isalnum() or letter in ".-") for letter in name):
            raise InvalidInput(
                f"{HOSTS_VARIABLE} names {name!r}; write host names without ports, with commas"
            )
    return tuple(names)


class Front:
    """Refuses what was meant for another host, and paths with control characters."""

    def __init__(self, app: ASGIApp, hosts: Iterable[str] = ()) -> None:
        self.app = app
        self.hosts = OWN_HOSTS | set(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        try:
            self._check(scope)
        except BrukError as error:
            await problem(problem_of(error), {"Connection": "close"})(scope, receive, send)
            return
        await self.app(scope, receive, send)

    def _check(self, scope: Scope) -> None:
        given = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
        host = given[0].strip().lower() if len(given) == 1 else ""
        # The port is not compared: a proxy or a tunnel may have another, and rebinding does not change it.
        name, colon, port = host.rpartition(":")
        if colon and port.isdecimal():
            host = name
        if host not in self.hosts:
            raise ForeignHost(
                f"this control does not answer for the host {host[:80]!r}; use http://127.0.0.1, or have the "
                f"operator name the host in {HOSTS_VARIABLE}"
            )
        if any(ord(letter) < 32 or ord(letter) == 127 for letter in scope["path"]):
            raise NotFound("there is nothing under a path with control characters", what="path")
