"""How the agent reaches control: a small protocol, and HTTP for real.

The exchange itself is a coroutine, so that a pending long poll can be given up when something at
the site has changed. Blobs and logs go from worker threads and block there. Nothing here decides.
"""

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol

import httpx
from pydantic import ValidationError

from bruk.model.errors import BrukError, ErrorKind
from bruk.model.jsontext import parse_json
from bruk.wire.agent import SyncRequest, SyncResponse
from bruk.wire.bearer import BearerFile
from bruk.wire.codec import explain

_CONNECT_S = 5.0
_BLOB_S = 60.0
_BLOCK_BYTES = 1 << 20


class ControlAway(BrukError):
    """Control cannot be reached, or cannot answer now; trying again may help."""

    code = "control_away"
    kind = ErrorKind.UNAVAILABLE


class ControlRefused(BrukError):
    """Control answered and said no; trying the same again will not help by itself."""

    code = "control_refused"
    kind = ErrorKind.FORBIDDEN


class Fetched(Protocol):
    """A blob on its way: ``offset`` is where it begins (what was asked for, or 0)."""

    @property
    def offset(self) -> int: ...

    def blocks(self) -> Iterator[bytes]: ...


class Transport(Protocol):
    """What the agent needs of control. Every method raises ControlAway or ControlRefused."""

    async def sync(self, request: SyncRequest) -> SyncResponse:
        """One exchange; waits for up to ``request.wait_ms``."""
        ...

    def fetch(self, digest: str, offset: int) -> AbstractContextManager[Fetched]:
        """The bytes of a blob from an offset on, or from 0 if control cannot begin elsewhere."""
        ...

    def hand_over(self, digest: str, file: Path) -> None:
        """Upload a blob; control checks the digest. Returns once control has it."""
        ...

    def ship(self, run: str, stream: str, offset: int, data: bytes) -> int:
        """Append to a run's ``logs`` or ``progress`` at control; returns the offset that control
        wants next, also when it was not the one offered."""
        ...


class HttpTransport:
    """Control over HTTP with the agent's bearer token, which may be renewed in its file meanwhile."""

    def __init__(self, control_url: str, token: str, token_file: Path | None = None) -> None:
        bearer = BearerFile(token, token_file)
        base = f"{control_url.rstrip('/')}/api/v1/agent"
        self._base = base
        self._async = httpx.AsyncClient(auth=bearer, trust_env=False)
        self._blocking = httpx.Client(
            auth=bearer, timeout=httpx.Timeout(_BLOB_S, connect=_CONNECT_S), trust_env=False
        )

    async def sync(self, request: SyncRequest) -> SyncResponse:
        timeout = httpx.Timeout(request.wait_ms / 1000 + 30, connect=_CONNECT_S)
        try:
            answer = await self._async.post(
                f"{self._base}/sync",
                content=request.model_dump_json().encode(),
                headers={"Content-Type": "application/json"},
                timeout=timeout,
            )
        except (httpx.HTTPError, OSError) as error:
            raise _away(error) from error
        _check(answer)
        try:
            return SyncResponse.model_validate_json(answer.content)
        except ValidationError as error:
            raise ControlRefused(f"control's answer cannot be read: {explain(error)}") from error

    @contextmanager
    def fetch(self, digest: str, offset: int) -> Iterator[Fetched]:
        headers = {"Range": f"bytes={offset}-"} if offset else {}
        try:
            with self._blocking.stream("GET", f"{self._base}/blobs/{digest}", headers=headers) as answer:
                if answer.is_error:
                    answer.read()
                _check(answer)
                yield _HttpFetched(answer, offset if answer.status_code == 206 else 0)
        except (httpx.HTTPError, httpx.StreamError) as error:
            raise _away(error) from error

    def hand_over(self, digest: str, file: Path) -> None:
        try:
            with file.open("rb") as source:
                answer = self._blocking.put(
                    f"{self._base}/blobs/{digest}",
                    content=_blocks(source),
                    headers={"Content-Length": str(file.stat().st_size)},
                )
        except httpx.HTTPError as error:
            raise _away(error) from error
        _check(answer)

    def ship(self, run: str, stream: str, offset: int, data: bytes) -> int:
        try:
            answer = self._blocking.post(
                f"{self._base}/runs/{run}/{stream}", params={"offset": offset}, content=data
            )
        except httpx.HTTPError as error:
            raise _away(error) from error
        if answer.status_code != 409:
            _check(answer)
        try:
            body = parse_json(answer.content)
            found = body.get("next_offset", (body.get("about") or {}).get("next_offset"))
            return int(found)
        except (ValueError, OverflowError, TypeError, AttributeError) as error:
            raise ControlRefused(f"control did not say where the {stream} of {run} go on") from error

    async def close(self) -> None:
        """End all connections; whatever is under way fails with ControlAway."""
        self._blocking.close()
        await self._async.aclose()


class _HttpFetched:
    def __init__(self, answer: httpx.Response, offset: int) -> None:
        self._answer = answer
        self.offset = offset

    def blocks(self) -> Iterator[bytes]:
        return self._answer.iter_raw(_BLOCK_BYTES)


def _blocks(source: object) -> Iterable[bytes]:
    read = source.read  # type: ignore[attr-defined]
    return iter(lambda: read(_BLOCK_BYTES), b"")


def _away(error: Exception) -> ControlAway:
    return ControlAway(f"control cannot be reached: {error or type(error).__name__}")


def _check(answer: httpx.Response) -> None:
    if answer.is_success:
        return
    detail = answer.text[:300].replace("\n", " ")
    if answer.status_code >= 500 or answer.status_code in (408, 425, 429):
        raise ControlAway(f"control answered {answer.status_code}: {detail}", status=answer.status_code)
    if answer.status_code in (401, 403):
        detail = f"is the agent's token right? {detail}"
    raise ControlRefused(f"control answered {answer.status_code}: {detail}", status=answer.status_code)
