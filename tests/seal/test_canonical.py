"""Canonical JSON: published vectors, order of keys, and everything that has no canonical form."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bruk.seal import NotCanonical, canonical_bytes, digest, parse_canonical

scalars = st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(max_size=8)
documents = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=20,
)


def reordered(value: object) -> object:
    if isinstance(value, dict):
        return {key: reordered(value[key]) for key in reversed(list(value))}
    if isinstance(value, list):
        return [reordered(item) for item in value]
    return value


def test_keys_sort_by_utf16_code_units_as_rfc_8785_section_3_2_3_shows() -> None:
    keys = ["€", "\r", "\ufb33", "1", "😀", "\x80", "ö"]
    written = json.loads(canonical_bytes(dict.fromkeys(keys, 0)))
    assert list(written) == ["\r", "1", "\x80", "ö", "€", "😀", "\ufb33"]


def test_strings_escape_what_rfc_8785_escapes_and_nothing_else() -> None:
    text = '€$\x0f\nA\'B"\\\\"/\x7f'
    assert canonical_bytes(text) == '"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/\x7f"'.encode()


@given(documents)
def test_the_order_of_keys_changes_no_byte(document: object) -> None:
    assert canonical_bytes(reordered(document)) == canonical_bytes(document)
    assert digest(reordered(document)) == digest(document)


@given(documents)
def test_canonical_bytes_read_back_as_the_same_document(document: object) -> None:
    assert parse_canonical(canonical_bytes(document)) == document


@pytest.mark.parametrize(
    "document",
    [
        1.0,
        {"a": [0.5]},
        float("nan"),
        2**53,
        -(2**53),
        {1: 2},
        {"a": b"x"},
        "\ud800",
        {"\udfff": 1},
        object(),
    ],
)
def test_what_has_no_canonical_form_is_refused(document: object) -> None:
    with pytest.raises(NotCanonical):
        canonical_bytes(document)


def test_the_error_names_the_path_of_a_float() -> None:
    with pytest.raises(NotCanonical, match=r"\$\.costs\[1\]\.eur"):
        canonical_bytes({"costs": [{}, {"eur": 0.1}]})


def test_deep_nesting_is_refused_in_both_directions() -> None:
    document: object = 1
    for _ in range(70):
        document = [document]
    with pytest.raises(NotCanonical):
        canonical_bytes(document)
    with pytest.raises(NotCanonical):
        parse_canonical(b"[" * 200_000)


@pytest.mark.parametrize(
    "data",
    [
        b'{"b":1,"a":2}',
        b'{"a": 1}',
        b'{"a":1,"a":1}',
        b'"\\u0041"',
        b'"\\/"',
        b"1.0",
        b"1e3",
        b"-0",
        b"01",
        b"NaN",
        b"Infinity",
        b"",
        b"{",
        b"\xff",
        b"\xef\xbb\xbf1",
        b"1\n",
        b'"\\ud800"',
        b"9" * 5000,
    ],
)
def test_any_other_spelling_is_refused(data: bytes) -> None:
    with pytest.raises(NotCanonical):
        parse_canonical(data)
