"""Destinations: what is read, what is refused, and where a name may never lead."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bruk.model.egress import Destination, allowed, host_of, parse, refused_address
from bruk.model.errors import InvalidInput

LABELS = st.from_regex(r"[a-z](?:[a-z0-9-]{0,10}[a-z0-9])?", fullmatch=True)
NAMES = st.lists(LABELS, min_size=1, max_size=4).map(".".join)
PORTS = st.integers(1, 65535)


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("example.org:443", "example.org", 443),
        ("EXAMPLE.org.:443", "example.org", 443),
        ("example.org:*", "example.org", None),
        ("*.Example.org:443", "*.example.org", 443),
        ("my_bucket.s3-a.example.org:65535", "my_bucket.s3-a.example.org", 65535),
        ("xn--bcher-kva.example:1", "xn--bcher-kva.example", 1),
        ("localhost:80", "localhost", 80),
        ("8.8.8.8:53", "8.8.8.8", 53),
        ("[2606:4700:0:0::1111]:443", "2606:4700::1111", 443),
        ("[::FFFF:10.0.0.1]:80", "::ffff:a00:1", 80),
        ("0x7f.example:80", "0x7f.example", 80),
    ],
)
def test_a_destination_is_read(text: str, host: str, port: int | None) -> None:
    assert parse(text) == Destination(host, port)
    assert parse(str(parse(text))) == parse(text)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no port"),
        ("example.org", "no port"),
        ("example.org:", "a port is"),
        ("example.org:0", "a port is"),
        ("example.org:65536", "a port is"),
        ("example.org:99999999999999999999", "a port is"),
        ("example.org:-1", "a port is"),
        ("example.org:+443", "a port is"),
        ("example.org:0443", "a port is"),
        ("example.org:4_43", "a port is"),
        ("example.org:٤٤٣", "a port is"),
        ("example.org: 443", "a port is"),
        ("example.org:443\n", "a port is"),
        ("example.org:https", "a port is"),
        (":443", "a host is"),
        ("https://example.org:443", "without a scheme"),
        ("example.org:443/path", "without a scheme"),
        ("good.org@example.org:443", "a user"),
        ("user:secret@example.org:443", "a user"),
        ("2606:4700::1111:443", "in brackets"),
        ("[example.org]:443", "brackets are for"),
        ("[8.8.8.8]:443", "brackets are for"),
        ("[fe80::1%eth0]:443", "without a zone"),
        ("[2606::4700::1]:443", "no IPv6"),
        ("[::1]]:443", "no IPv6"),
        ("2130706433:80", "four decimal"),
        ("0x7f000001:80", "four decimal"),
        ("0X7F.0.0.1:80", "four decimal"),
        ("0x:80", "four decimal"),
        ("0177.0.0.1:80", "four decimal"),
        ("127.0.0.01:80", "four decimal"),
        ("127.1:80", "four decimal"),
        ("127.0.0.0x1:80", "four decimal"),
        ("127.0.0.1.:80", "four decimal"),
        ("256.0.0.1:80", "four decimal"),
        ("example.1:80", "four decimal"),
        ("*:443", "a star stands"),
        ("*.*.org:443", "a star stands"),
        ("a*.example.org:443", "a star stands"),
        ("example.*:443", "a star stands"),
        ("*.:443", "a host is"),
        ("*.8.8.8.8:443", "below an address"),
        ("*.8.8:443", "four decimal"),
        ("[*.::1]:443", "below an address"),
        ("example..org:443", "a host is"),
        ("example.org..:443", "a host is"),
        (".example.org:443", "a host is"),
        ("-example.org:443", "a host is"),
        ("example-.org:443", "a host is"),
        ("exam ple.org:443", "a host is"),
        (" example.org:443", "a host is"),
        ("exam\0ple.org:443", "a host is"),
        ("exam\r\nple.org:443", "a host is"),
        ("exam%70le.org:443", "a host is"),
        ("a" * 64 + ".org:443", "a host is"),
        ("a." * 127 + "org:443", "a host is"),
        ("bücher.example:443", "xn--"),
        ("example。org:443", "xn--"),
        ("\uff11\uff12\uff17.0.0.1:80", "xn--"),
        ("ⓛocalhost:80", "xn--"),
        ("\u212a.example:80", "xn--"),
    ],
)
def test_what_is_none_or_could_be_two_is_refused(text: str, says: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        parse(text)
    assert says in raised.value.message
    assert raised.value.detail == {"field": "network"}


RULES = [parse(text) for text in ("example.org:443", "*.data.example:*", "127.0.0.1:8080", "[fd00::1]:80")]


@pytest.mark.parametrize(
    ("host", "port", "may"),
    [
        ("example.org", 443, True),
        ("Example.ORG.", 443, True),
        ("example.org", 80, False),
        ("www.example.org", 443, False),
        ("notexample.org", 443, False),
        ("example.org.evil.net", 443, False),
        ("a.data.example", 1, True),
        ("a.b.data.example", 65535, True),
        ("a.data.example", 0, False),
        ("a.data.example", 65536, False),
        ("data.example", 443, False),
        ("adata.example", 443, False),
        (".data.example", 443, False),
        ("*.data.example", 443, False),
        ("a@b.data.example", 443, False),
        ("127.0.0.1", 8080, True),
        ("127.0.0.1", 8081, False),
        ("127.1", 8080, False),
        ("2130706433", 8080, False),
        ("0x7f000001", 8080, False),
        ("0177.0.0.1", 8080, False),
        ("127.0.0.1.", 8080, False),
        ("localhost", 8080, False),
        ("::ffff:127.0.0.1", 8080, False),
        ("fd00:0::1", 80, True),
        ("[fd00::1]", 80, False),
        ("", 443, False),
    ],
)
def test_a_host_is_allowed_by_name_and_port(host: str, port: int, may: bool) -> None:
    assert allowed(RULES, host, port) is may
    assert not allowed([], host, port)


@pytest.mark.parametrize(
    ("address", "what"),
    [
        ("0.0.0.0", "unspecified"),
        ("0.1.2.3", "unspecified"),
        ("10.0.0.1", "private"),
        ("172.16.0.1", "private"),
        ("172.31.255.255", "private"),
        ("192.168.1.1", "private"),
        ("100.64.0.1", "carrier"),
        ("100.100.100.200", "carrier"),
        ("127.0.0.1", "loopback"),
        ("127.255.255.254", "loopback"),
        ("169.254.169.254", "metadata"),
        ("168.63.129.16", "metadata"),
        ("192.0.0.192", "reserved"),
        ("198.18.0.1", "reserved"),
        ("203.0.113.7", "reserved"),
        ("224.0.0.1", "multicast"),
        ("240.0.0.1", "reserved"),
        ("255.255.255.255", "reserved"),
        ("::", "unspecified"),
        ("::1", "loopback"),
        ("fe80::1", "metadata"),
        ("febf::1", "metadata"),
        ("fec0::1", "reserved"),
        ("fc00::1", "private"),
        ("fd00:ec2::254", "private"),
        ("ff02::1", "multicast"),
        ("2001::1", "reserved"),
        ("2001:db8::1", "reserved"),
        ("4000::1", "reserved"),
        ("::127.0.0.1", "reserved"),
        ("64:ff9b:1::a00:1", "reserved"),
        ("::ffff:127.0.0.1", "loopback"),
        ("::ffff:169.254.169.254", "metadata"),
        ("64:ff9b::10.0.0.1", "private"),
        ("64:ff9b::a9fe:a9fe", "metadata"),
        ("2002:7f00:1::", "loopback"),
        ("2002:c0a8:101::1", "private"),
        ("fe80::1%eth0", "no address"),
        ("127.1", "no address"),
        ("0177.0.0.1", "no address"),
        ("2130706433", "no address"),
        ("example.org", "no address"),
        ("", "no address"),
    ],
)
def test_an_address_that_is_not_public_is_refused(address: str, what: str) -> None:
    assert what in refused_address(address, 443, [parse("*.example.org:*")])


@pytest.mark.parametrize(
    "address",
    [
        *("8.8.8.8", "172.15.255.255", "172.32.0.0", "100.63.255.255", "100.128.0.0", "223.255.255.255"),
        *("2606:4700::1111", "64:ff9b::808:808", "2002:808:808::1", "::ffff:8.8.8.8"),
    ],
)
def test_a_public_address_may_be_connected_to(address: str) -> None:
    assert refused_address(address, 443, []) == ""


def test_only_the_literal_address_and_port_open_what_is_refused() -> None:
    rules = [parse("127.0.0.1:8080"), parse("[fd00::1]:*"), parse("localhost:22"), parse("*.example.org:*")]
    assert refused_address("127.0.0.1", 8080, rules) == ""
    assert refused_address("fd00:0:0::1", 22, rules) == ""
    for address, port in (("127.0.0.1", 22), ("127.0.0.2", 8080), ("::ffff:127.0.0.1", 8080), ("::1", 22)):
        assert refused_address(address, port, rules), (address, port)


@pytest.mark.parametrize(
    ("rule", "wanted", "covers"),
    [
        ("*.example.org:443", "*.data.example.org:443", True),
        ("*.example.org:443", "*.example.org:443", True),
        ("*.example.org:443", "*.example.org:*", False),
        ("*.example.org:*", "a.example.org:443", True),
        ("*.data.example.org:*", "*.example.org:443", False),
        ("a.example.org:*", "*.a.example.org:443", False),
        ("*.example.org:*", "example.org:443", False),
    ],
)
def test_a_site_allows_what_its_rule_covers(rule: str, wanted: str, covers: bool) -> None:
    assert parse(rule).covers(parse(wanted)) is covers


@given(st.text() | st.text("0123456789abcdefx.:*[]%@/-_", max_size=40))
def test_any_text_is_a_destination_in_one_spelling_or_refused(text: str) -> None:
    try:
        found = parse(text)
    except InvalidInput:
        return
    assert parse(str(found)) == found
    if not found.host.startswith("*."):
        assert host_of(found.host) == found.host
        assert allowed([found], found.host, found.port or 1)


@given(NAMES, NAMES, PORTS)
def test_a_star_stands_for_whole_labels(above: str, domain: str, port: int) -> None:
    rule = [parse(f"*.{domain}:{port}")]
    assert allowed(rule, f"{above}.{domain}", port)
    assert not allowed(rule, domain, port)
    assert not allowed(rule, f"{above}x{domain}".replace(".", "y"), port)


@given(st.ip_addresses(v=4), st.sampled_from(["::ffff:{}", "64:ff9b::{}", "2002:{:x}:{:x}::"]))
def test_an_address_within_another_is_judged_as_itself(address: ipaddress.IPv4Address, form: str) -> None:
    number = int(address)
    within = form.format(number >> 16, number & 0xFFFF) if "x" in form else form.format(address)
    assert bool(refused_address(within, 443, [])) is bool(refused_address(str(address), 443, []))


@given(st.ip_addresses())
def test_what_the_standard_library_calls_not_global_is_refused(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    embeds = address.version == 6 and (address.ipv4_mapped or address.sixtofour)
    if not embeds and not (address.is_global and not address.is_multicast):
        nat64 = address in ipaddress.ip_network("64:ff9b::/96")
        assert refused_address(str(address), 443, []) or nat64
