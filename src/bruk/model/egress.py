"""Destinations that a run may reach beyond its own loopback: how they are written, and what they allow.

A destination is ``host:port``: an exact name, ``*.domain`` for every name below a domain, or an
address (IPv6 in brackets); the port is a number or ``*``. A name that may be reached says nothing of
where it leads, which its owner can change at any time: whoever connects checks each address that the
name has with ``refused_address``, and connects to the very one that was checked. Nothing here resolves
or connects, and every spelling that two readers could take for different hosts is refused.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from bruk.model.errors import InvalidInput

PORT_MAX = 65535
NAME_LENGTH_MAX = 253  # RFC 1035, 2.3.4, without the root's dot.
ANY = "*"
_BELOW = "*."
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
# C libraries take a name that ends so for an address: 2130706433, 0x7f.1, 127.0.0.0x1.
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_PORT = re.compile(r"[1-9][0-9]{0,4}")

# IANA's special-purpose address registries (RFC 6890), multicast (RFC 5771, RFC 4291), and the address at
# which one cloud answers its machines' own questions.
_SPECIAL_V4 = tuple(
    (IPv4Network(block), what)
    for block, what in (
        ("0.0.0.0/8", "unspecified"),
        ("10.0.0.0/8", "private"),
        ("100.64.0.0/10", "a carrier's own"),
        ("127.0.0.0/8", "the loopback"),
        ("168.63.129.16/32", "a cloud's metadata"),
        ("169.254.0.0/16", "link-local, where clouds keep metadata"),
        ("172.16.0.0/12", "private"),
        ("192.0.0.0/24", "reserved"),
        ("192.0.2.0/24", "reserved"),
        ("192.88.99.0/24", "reserved"),
        ("192.168.0.0/16", "private"),
        ("198.18.0.0/15", "reserved"),
        ("198.51.100.0/24", "reserved"),
        ("203.0.113.0/24", "reserved"),
        ("224.0.0.0/4", "multicast"),
        ("240.0.0.0/4", "reserved"),
    )
)
_SPECIAL_V6 = tuple(
    (IPv6Network(block), what)
    for block, what in (
        ("::/128", "unspecified"),
        ("::1/128", "the loopback"),
        ("fc00::/7", "private"),
        ("fe80::/10", "link-local, where clouds keep metadata"),
        ("ff00::/8", "multicast"),
        ("2001::/23", "reserved"),
        ("2001:db8::/32", "reserved"),
        ("3fff::/20", "reserved"),
    )
)
_UNICAST_V6 = IPv6Network("2000::/3")  # All that has been given out so far (RFC 4291, 2.4).
# An IPv4 address within an IPv6 address, and how many bits stand behind it.
_EMBEDDING = (
    (IPv6Network("::ffff:0:0/96"), 0),  # IPv4-mapped (RFC 4291)
    (IPv6Network("64:ff9b::/96"), 0),  # NAT64 (RFC 6052)
    (IPv6Network("2002::/16"), 80),  # 6to4 (RFC 3056)
)


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a run may connect to; made by ``parse``, whose one spelling of it ``str`` gives.

    Attributes:
        host: a name in lower case, ``*.domain``, or an address.
        port: None: any.
    """

    host: str
    port: int | None

    def covers(self, other: "Destination") -> bool:
        """Whether all that ``other`` allows is allowed by this one."""
        if self.port is not None and self.port != other.port:
            return False
        # The star stands for one label or more, so a domain is not among the names below it.
        below = self.host.startswith(_BELOW) and other.host.endswith(self.host[1:])
        return self.host == other.host or below

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{ANY if self.port is None else self.port}"


def parse(text: str) -> Destination:
    """The destination that a text means.

    Raises:
        InvalidInput: it is none, or could be read in two ways; says how to write it.
    """
    if "/" in text or "@" in text:
        raise _unusable(text, "write host:port alone, without a scheme, a user or a path")
    host, colon, port = text.rpartition(":")
    if not colon:
        raise _unusable(text, "it has no port; write host:port, or host:* for every port")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
        if ":" not in host:
            raise _unusable(text, "brackets are for IPv6 addresses")
    elif ":" in host:
        raise _unusable(text, "write an IPv6 address in brackets, like [2001:db8::1]:443")
    if port != ANY and (not _PORT.fullmatch(port) or int(port) > PORT_MAX):
        raise _unusable(text, f"a port is a number from 1 to {PORT_MAX}, or * for every port")
    try:
        if host.startswith(_BELOW):
            domain = host_of(host.removeprefix(_BELOW))
            if _address(domain) is not None:
                raise InvalidInput("nothing lies below an address; write the address alone")
            host = _BELOW + domain
        else:
            host = host_of(host)
    except InvalidInput as error:
        raise _unusable(text, error.message) from None
    return Destination(host, None if port == ANY else int(port))


def host_of(text: str) -> str:
    """The one spelling of a host: a name in lower case without the root's dot, or an address. Whoever
    asked ``allowed`` for a host connects to this one.

    Raises:
        InvalidInput: it is neither, or could be read in two ways.
    """
    if not text.isascii():
        raise InvalidInput("write an international name as its registry does, beginning with xn--")
    if ":" in text:
        try:
            if "%" not in text:
                return str(IPv6Address(text))
        except AddressValueError:
            pass
        raise InvalidInput("this is no IPv6 address; it is written without a zone, like 2001:db8::1")
    name = text.lower().removesuffix(".")
    labels = name.split(".")
    if _NUMBER.fullmatch(labels[-1]):
        try:
            return str(IPv4Address(text))
        except AddressValueError:
            raise InvalidInput("write an IPv4 address as four decimal numbers, like 192.0.2.1") from None
    if "*" in name:
        raise InvalidInput("a star stands only for all names below a domain, like *.example.org")
    if len(name) > NAME_LENGTH_MAX or not all(_LABEL.fullmatch(label) for label in labels):
        raise InvalidInput(
            f"a host is at most {NAME_LENGTH_MAX} characters: labels of a-z, 0-9, '-', '_' and dots between"
        )
    return name


def allowed(rules: Iterable[Destination], host: str, port: int) -> bool:
    """Whether a host, by name or address, may be reached at a port; never where the host or the port
    is none. Where the name leads is not judged: see ``refused_address``."""
    if not 1 <= port <= PORT_MAX:
        return False
    try:
        wanted = Destination(host_of(host), port)
    except InvalidInput:
        return False
    return any(rule.covers(wanted) for rule in rules)


def uncovered(rules: Iterable[str], wanted: Iterable[str]) -> list[str]:
    """Those of the wanted destinations that no rule covers as a whole; texts that ``parse`` reads."""
    known = [parse(rule) for rule in rules]
    return [each for each in wanted if not any(rule.covers(parse(each)) for rule in known)]


def refused_address(address: str, port: int, rules: Iterable[Destination]) -> str:
    """Why an address must not be connected to, as a clause; empty if it may.

    Refused is what is not of the public internet: the machine's own, its neighbours', metadata. Only
    a rule that names this very address and port opens it; one that names a host never does, since
    whoever owns the name chooses where it leads.

    Args:
        address: as a resolver gives it.
    """
    found = _address(address)
    if found is None:
        return f"{address!r} is no address"
    what = _special(found)
    return f"the address {found} is {what}" if what and not names(rules, address, port) else ""


def inside(destination: str) -> str:
    """What an address is that is not of the public internet; empty for one that is, and for names."""
    host = parse(destination).host
    found = _address(host)
    if found is not None:
        return _special(found)
    return "this machine" if host == "localhost" or host.endswith(".localhost") else ""


def names(rules: Iterable[Destination], address: str, port: int) -> bool:
    """Whether a rule names this very address and port, not a name that leads there."""
    exact = Destination(str(_address(address)), port)
    return any(rule.host == exact.host and rule.covers(exact) for rule in rules)


def _special(address: IPv4Address | IPv6Address) -> str:
    """What an address is that is not of the public internet; empty if it is of it."""
    if isinstance(address, IPv4Address):
        return next((what for block, what in _SPECIAL_V4 if address in block), "")
    for prefix, behind in _EMBEDDING:
        if address in prefix:
            # A public one within: networks without IPv4 reach the rest of the world so.
            return _special(IPv4Address(int(address) >> behind & 0xFFFFFFFF))
    what = next((what for block, what in _SPECIAL_V6 if address in block), "")
    return what or ("" if address in _UNICAST_V6 else "reserved")


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return None if "%" in text else ip_address(text)
    except ValueError:
        return None


def _unusable(text: str, why: str) -> InvalidInput:
    return InvalidInput(f"{text[:300]!r} is no destination: {why}", field="network")
