"""A process's bearer token that lies in a file, and may be renewed there while the process runs.

Agents and gateways use it. When control refuses the token, the file is read again, and a request that can
be repeated is asked once more with what it holds now. It must never log a token.
"""

from collections.abc import Generator
from pathlib import Path

import httpx


class BearerFile(httpx.Auth):
    """Puts the token of a file on every request.

    Args:
        token: as the file held it when the process began, or as given where there is no file.
        file: where a renewed token is found; None: there is none.
    """

    def __init__(self, token: str, file: Path | None = None) -> None:
        self._token = token
        self._file = file

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """As httpx calls it."""
        request.headers["Authorization"] = f"Bearer {self._token}"
        answer = yield request
        # A body that was streamed is gone; whoever sent it tries again, then with the new token.
        if answer.status_code == 401 and self._renewed() and isinstance(request.stream, httpx.ByteStream):
            request.headers["Authorization"] = f"Bearer {self._token}"
            yield request

    def _renewed(self) -> bool:
        if self._file is None:
            return False
        try:
            found = self._file.read_text(encoding="utf-8").strip()
        except OSError:
            return False
        if not found or found == self._token:
            return False
        self._token = found
        return True
