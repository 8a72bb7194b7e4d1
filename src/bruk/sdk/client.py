"""The client: one connection, and one part per group of routes.

Look next at the parts: ``places`` (sites, nodes, the switch), ``people`` (tenants, projects, keys),
``work`` (jobs, workloads, runs, logs), ``artifacts``, ``inspection`` (operators' access), ``models``
(models, gates, endpoints), ``records`` (prices, budgets, ledger, invoices, audit).
"""

from collections.abc import Iterator
from types import TracebackType
from typing import Any, cast

import httpx

from bruk.model.errors import InvalidInput
from bruk.model.tenant import Actor, User
from bruk.sdk.artifacts import Artifacts
from bruk.sdk.inspection import AccessRequests
from bruk.sdk.models import Endpoints, Models
from bruk.sdk.people import Projects, Tenants, Users
from bruk.sdk.places import Gateways, Scheduler, Sites, Switch
from bruk.sdk.records import Audit, Invoices, Ledger, Prices, SigningKeys
from bruk.sdk.secrets import Secrets
from bruk.sdk.transport import Transport
from bruk.sdk.work import Workloads
from bruk.wire import codec
from bruk.wire.answers import Status
from bruk.wire.requests import LoginBody


class Client:
    """A caller of control's API; use it in ``with`` or close it.

    Args:
        url: ``http://host:port`` of control.
        token: a person's token or a project's API key; empty only for :meth:`login` and :meth:`public_keys`.
        timeout_s: longest silence of the server [s].
        line: for tests: what carries the requests instead of the network.

    Raises:
        InvalidInput: the address or the token cannot be one.
    """

    def __init__(
        self, url: str, token: str = "", *, timeout_s: float = 30.0, line: httpx.BaseTransport | None = None
    ) -> None:
        self.transport = Transport(url, token, timeout_s=timeout_s, line=line)
        self.sites = Sites(self.transport)
        self.gateways = Gateways(self.transport)
        self.scheduler = Scheduler(self.transport)
        self.switch = Switch(self.transport)
        self.tenants = Tenants(self.transport)
        self.users = Users(self.transport)
        self.projects = Projects(self.transport)
        self.access_requests = AccessRequests(self.transport)
        self.secrets = Secrets(self.transport)
        self.prices = Prices(self.transport)
        self.ledger = Ledger(self.transport)
        self.invoices = Invoices(self.transport)
        self.audit = Audit(self.transport)
        self.signing_keys = SigningKeys(self.transport)
        self.artifacts = Artifacts(self.transport)
        self.workloads = Workloads(self.transport)
        self.models = Models(self.transport)
        self.endpoints = Endpoints(self.transport)

    def __enter__(self) -> "Client":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the connection."""
        self.transport.close()

    def status(self) -> Status:
        """The platform at a glance."""
        return self.transport.load(Status, self.transport.get("/status"))

    def me(self) -> Actor:
        """Who the token belongs to."""
        return self.transport.load(Actor, self.transport.get("/me"))

    def now_ms(self) -> int:
        """Control's wall time, to the second [ms since the Unix epoch, UTC]."""
        return self.transport.now_ms()

    def login(self, login_token: str) -> tuple[User, str]:
        """Trade the token of a one-time login link for the person and a token to call with.

        Raises:
            InvalidInput: it cannot be such a token.
            SdkError: it was used already, or has expired.
        """
        try:
            body = codec.body(LoginBody, token=login_token)
        except InvalidInput:
            raise InvalidInput("That is no login token; copy the whole login link, up to its end.") from None
        answer = self.transport.send("POST", "/login", body)
        user = self.transport.load(User, self.transport.part(answer, "user"))
        return user, str(self.transport.part(answer, "token"))

    def logout(self) -> None:
        """Make the token worthless."""
        self.transport.send("POST", "/logout")

    def public_keys(self) -> list[dict[str, Any]]:
        """The platform's public signing keys, for pinning; needs no token."""
        return cast(list[dict[str, Any]], self.transport.get("/keys/public"))

    def events(self) -> Iterator[str]:
        """The version of control's state, each time it changes (server-sent events); blocks."""
        with self.transport.stream("GET", "/events") as answer:
            for line in answer.iter_lines():
                if line.startswith("data:"):
                    yield line.removeprefix("data:").strip()
