"""What a run asks of its proxy and what it hears: the head of a CONNECT request (RFC 9110, 9.3.6).

Bytes in, a destination or a refusal out. The request line alone says where to connect; no header is
looked at. Standard library only: the supervisor imports it.
"""

import re

from bruk.model.egress import Destination, parse
from bruk.model.errors import InvalidInput

HEAD_END = b"\r\n\r\n"
HEAD_BYTES_MAX = 8192
WHY_MAX = 500
GRANTED = b"HTTP/1.1 200 Connection established\r\n\r\n"
_LINE = re.compile(rb"([!-~]+) ([!-~]+) HTTP/1\.[01]")
_REASONS = {400: "Bad request", 403: "Forbidden", 405: "Use CONNECT", 408: "Too slow", 431: "Too long"}
_REASONS |= {502: "Not reached", 504: "Not reached in time"}


class Refused(Exception):
    """A connection is not made.

    Attributes:
        status: of HTTP.
        why: one sentence, for whoever reads the answer or the log.
        to: the destination, as far as one was understood.
    """

    def __init__(self, status: int, why: str, to: str = "") -> None:
        super().__init__(why)
        self.status = status
        self.why = re.sub(r"[^ -~]", "?", why)[:WHY_MAX]
        self.to = to


def asked(head: bytes) -> Destination:
    """Where a request wants to go.

    Raises:
        Refused: it is no request, or not for a connection to one port of one host.
    """
    found = _LINE.fullmatch(head.partition(b"\r\n")[0])
    if found is None:
        raise Refused(400, "this is no HTTP request; a client asks with 'CONNECT host:port HTTP/1.1'")
    if found[1] != b"CONNECT":
        raise Refused(405, "this proxy opens connections by CONNECT alone: take https instead of http")
    try:
        wanted = parse(found[2].decode("ascii"))
    except InvalidInput as error:
        raise Refused(400, error.message) from None
    if wanted.port is None:
        raise Refused(400, "a connection goes to one port")
    return wanted


def refusal(refused: Refused) -> bytes:
    """The whole answer to a request that is refused. The reason stands in its first line, too: of
    many clients that is all that their users see."""
    text = f"{refused.why}\n"
    allow = "Allow: CONNECT\r\n" if refused.status == 405 else ""
    return (
        f"HTTP/1.1 {refused.status} {_REASONS[refused.status]}: {refused.why}\r\n{allow}"
        f"Content-Type: text/plain\r\nContent-Length: {len(text)}\r\nConnection: close\r\n\r\n{text}"
    ).encode("ascii")
