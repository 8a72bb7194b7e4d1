"""Whatever bytes a parser is given: a value, or the error it documents; never another, never a hang."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .parsers import PARSERS, Parser

DEEP = 100_000
# What broke a parser once, and what breaks parsers; every one of them reads all of these.
CORPUS: dict[str, bytes] = {
    "nothing": b"",
    "NUL": b"\0",
    "not UTF-8": b"\xff\xfe\x80",
    "overlong": b"\xc0\xaf\xe0\x80\xaf",
    "byte order mark": b"\xef\xbb\xbf{}",
    "UTF-16": '{"a": 1}'.encode("utf-16"),
    "deep lists": b"[" * DEEP + b"]" * DEEP,
    "deep objects": b'{"a":' * DEEP + b"1" + b"}" * DEEP,
    "deep, in a member": b'{"a": ' + b"[" * DEEP + b"]" * DEEP + b"}",
    "deep, open": b"[" * DEEP,
    "deep TOML": b"a = " + b"[" * DEEP + b"]" * DEEP,
    "deep dotted TOML": b".".join([b"a"] * DEEP) + b" = 1",
    "digits": b"9" * 5000,
    "digits in a list": b"[" + b"9" * 5000 + b"]",
    "digits in a member": b'{"pid": ' + b"9" * 5000 + b"}",
    "digits of a size": b"9" * 5000 + b"GiB",
    "digits in a pair": b"0, " + b"9" * 5000,
    "infinite": b"0, inf\n",
    "infinite member": b'{"next_offset": Infinity, "a": NaN}',
    "exponent": b'{"next_offset": 1e999, "steps": 1e999}',
    "other digits": "²³٣".encode(),
    "list": b"[]",
    "list of nothing": b"[null]",
    "null": b"null",
    "text": b'"text"',
    "true": b"true",
    "empty object": b"{}",
    "nested wrongly": b'{"processes": {"a": 1}, "placement": [[1, 2, 3]], "keys": {"keys": {"keys": 1}}}',
    "keys in a circle of shapes": b'{"keys": {"keys": {"items": {}}}}',
    "lone surrogate": b'{"a": "\\ud800", "\\udfff": 1}',
    "twice": b'{"a": 1, "a": 2}',
    "wide": b"[" + b"1," * 50_000 + b"1]",
    "one word": b"simd_count \n",
    "negative": b"simd_count -1\n",
    "words": b"simd_count many\n",
    "quoted NUL": b'x,"a\0b"\n',
    "unclosed quote": b'x,"' + b"a" * 200_000,
    "carriage returns": b"data: 1\r\r\ndata: 2\r\r",
    "a year": b"-0001-01-01",
    "a far moment": b"9999-12-31T23:59:59.999999-23:59",
}

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@st.composite
def bent(draw: st.DrawFn, parser: Parser) -> bytes:
    """A good example with bytes exchanged, cut, doubled or put in; or a member of it exchanged."""
    data = draw(st.sampled_from(parser.good))
    try:
        value = json.loads(data)
    except ValueError:
        value = None
    if isinstance(value, dict) and value and draw(st.booleans()):
        name = draw(st.sampled_from(sorted(value)))
        return json.dumps({**value, name: draw(values)}).encode()
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        to = draw(st.integers(at, min(len(data), at + 8)))
        data = data[:at] + draw(st.binary(max_size=6)) + data[to:]
    return data


def check(parser: Parser, data: bytes) -> Any:
    try:
        return parser.call(data)
    except parser.raises:
        return None


@pytest.mark.parametrize("parser", PARSERS, ids=lambda parser: parser.name)
def test_what_breaks_parsers_breaks_none(parser: Parser) -> None:
    for name, data in CORPUS.items():
        try:
            check(parser, data)
        except Exception as error:
            raise AssertionError(f"{parser.name}, given {name}: {type(error).__name__}: {error}") from error


@pytest.mark.parametrize("parser", PARSERS, ids=lambda parser: parser.name)
def test_what_is_nearly_right_breaks_none(parser: Parser) -> None:
    for data in parser.good:
        check(parser, data)


@pytest.mark.parametrize("parser", PARSERS, ids=lambda parser: parser.name)
def test_any_bytes_are_a_value_or_a_documented_error(parser: Parser) -> None:
    @settings(max_examples=60, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(
        st.one_of(bent(parser), st.binary(max_size=200), values.map(lambda value: json.dumps(value).encode()))
    )
    def fuzz(data: bytes) -> None:
        check(parser, data)

    fuzz()
