"""One connection to control: requests, answers, pages, streams, and every failure as ``SdkError``.

Never retries on its own: whether a request may be repeated is the caller's to know, and an
idempotency key makes it safe. Follows no redirect, so that a token goes only where it was meant to.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

import httpx
from pydantic import BaseModel

from bruk.model.errors import ErrorKind, InvalidInput
from bruk.model.jsontext import parse_json
from bruk.sdk.errors import SdkError, kind_of_status, not_bruk, unreachable
from bruk.wire import codec

T = TypeVar("T")
Params = Mapping[str, str | int | bool | None]

API = "/api/v1"
PAGE_ITEMS = 200
_LOOPBACK = {"127.0.0.1", "localhost", "::1"}


def segment(value: str) -> str:
    """One segment of a path, escaped; a value that cannot be one is refused.

    Raises:
        InvalidInput: it is empty, or ``.`` or ``..``.
    """
    if value in {"", ".", ".."}:
        raise InvalidInput(f"{value!r} is no name or identifier")
    return quote(value, safe="")


class Transport:
    """The line to one control.

    Args:
        url: ``http://host:port`` of control, without the API's path.
        token: a person's token or a project's API key; empty for none.
        timeout_s: longest silence of the server [s].
        line: for tests: what carries the requests instead of the network.

    Raises:
        InvalidInput: the address is no HTTP address, or the token cannot stand in a header.
    """

    def __init__(
        self, url: str, token: str = "", *, timeout_s: float = 30.0, line: httpx.BaseTransport | None = None
    ) -> None:
        self.url = url.rstrip("/")
        try:
            parts = urlsplit(self.url)
            host = parts.hostname
            _ = parts.port
        except ValueError:
            parts, host = urlsplit(""), None
        if parts.scheme not in {"http", "https"} or not host or parts.query or parts.fragment:
            raise InvalidInput(
                f"{url!r} is not the address of a control; give one like http://127.0.0.1:8610"
            )
        if not all("!" <= letter <= "~" for letter in token):
            raise InvalidInput("The token holds characters that no token has; copy it again")
        headers = {"Accept": "application/json"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        self._http = httpx.Client(
            base_url=self.url + API,
            headers=headers,
            timeout=timeout_s,
            transport=line,
            # A proxy of the environment must never see a request to this very machine.
            trust_env=host not in _LOOPBACK,
        )

    def close(self) -> None:
        self._http.close()

    def get(self, path: str, params: Params | None = None) -> Any:
        """The JSON value at a path."""
        return self.json_of(self.request("GET", path, params=params))

    def send(
        self,
        method: str,
        path: str,
        body: BaseModel | Mapping[str, object] | None = None,
        *,
        params: Params | None = None,
        idempotency_key: str | None = None,
    ) -> Any:
        """Send a body and return the JSON value of the answer, None if it has none.

        Args:
            idempotency_key: the same key with the same body is carried out once.
        """
        headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
        sent: object = None
        if isinstance(body, BaseModel):
            sent = body.model_dump(mode="json", exclude_unset=True)
        elif body is not None:
            sent = dict(body)
        answer = self.request(method, path, params=params, headers=headers, json=sent)
        return self.json_of(answer) if answer.content else None

    def items(self, path: str, shape: type[T], params: Params | None = None) -> Iterator[T]:
        """Every item of a list, page by page, as dataclasses of the given shape."""
        for item in self.raw_items(path, params):
            yield self.load(shape, item)

    def raw_items(self, path: str, params: Params | None = None) -> Iterator[dict[str, Any]]:
        """Every item of a list, page by page, as it came."""
        after: str | int | None = None
        while True:
            paged = {"limit": PAGE_ITEMS, **(params or {})}
            if after is not None:
                paged["after"] = after
            page = self.get(path, paged)
            if not isinstance(page, dict) or not isinstance(page.get("items"), list):
                raise not_bruk(self.url, f"{path} did not answer a list")
            yield from page["items"]
            following = page.get("next")
            if following is None or following == after:
                return
            after = following

    def load(self, shape: type[T], data: object) -> T:
        """Read a dataclass from an answer.

        Raises:
            SdkError: ``not_bruk``: the answer has another form.
        """
        try:
            return codec.load(shape, data)
        except InvalidInput as error:
            raise not_bruk(self.url, error.message) from None

    def part(self, answer: object, name: str) -> Any:
        """One part of an answer that has several.

        Raises:
            SdkError: ``not_bruk``: it is not there.
        """
        if not isinstance(answer, dict) or name not in answer:
            raise not_bruk(self.url, f"the answer has no {name!r}")
        return answer[name]

    def request(self, method: str, path: str, *, params: Params | None = None, **more: Any) -> httpx.Response:
        """One exchange, answered in full.

        Raises:
            SdkError: the server could not be reached or refused.
        """
        with self._faults():
            answer = self._http.request(method, path, params=_given(params), **more)
            self._check(answer)
            return answer

    @contextmanager
    def stream(self, method: str, path: str, *, params: Params | None = None) -> Iterator[httpx.Response]:
        """One exchange whose answer is read piece by piece by the caller."""
        with self._faults(), self._http.stream(method, path, params=_given(params)) as answer:
            if answer.status_code >= 300:
                answer.read()
            self._check(answer)
            yield answer

    def now_ms(self) -> int:
        """Control's wall time, from the date of an answer, to the second [ms].

        Raises:
            SdkError: the answer carries no usable date.
        """
        answer = self.request("GET", "/status")
        try:
            return int(parsedate_to_datetime(answer.headers["Date"]).timestamp()) * 1000
        except (KeyError, ValueError, TypeError):
            raise not_bruk(self.url, "the answer carries no date") from None

    @contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            yield
        except httpx.ConnectTimeout:
            raise unreachable(self.url, "it did not answer in time") from None
        except httpx.TimeoutException:
            raise unreachable(self.url, "it took the request and did not answer in time") from None
        except httpx.ConnectError as error:
            refused = "refused" in str(error).lower()
            raise unreachable(self.url, "nothing listens there" if refused else str(error)) from None
        except httpx.TransportError as error:
            raise unreachable(self.url, f"the connection broke ({error or type(error).__name__})") from None

    def _check(self, answer: httpx.Response) -> None:
        status = answer.status_code
        if status < 300:
            return
        if status < 400:
            raise not_bruk(self.url, f"it points elsewhere, to {answer.headers.get('Location')}", status)
        try:
            problem = parse_json(answer.content)
        except ValueError:
            problem = None
        if not isinstance(problem, dict) or not isinstance(problem.get("code"), str):
            kind = kind_of_status(status)
            if kind is ErrorKind.UNAVAILABLE:
                raise unreachable(self.url, f"status {status}")
            raise not_bruk(self.url, f"status {status} without a problem document", status)
        about = problem.get("about")
        raise SdkError(
            str(problem.get("detail") or problem.get("title") or problem["code"]),
            code=problem["code"],
            kind=kind_of_status(status),
            status=status,
            about={"about": about} if about else None,
        )

    def json_of(self, answer: httpx.Response) -> Any:
        """The JSON value of an answer.

        Raises:
            SdkError: ``not_bruk``: it is none.
        """
        try:
            return parse_json(answer.content)
        except ValueError:
            raise not_bruk(self.url, "the answer is not JSON", answer.status_code) from None


def _given(params: Params | None) -> dict[str, str | int]:
    """The parameters that have a value, spelled as the API reads them."""
    spelled: dict[str, str | int] = {}
    for name, value in (params or {}).items():
        if isinstance(value, bool):
            spelled[name] = "true" if value else "false"
        elif value is not None:
            spelled[name] = value
    return spelled
