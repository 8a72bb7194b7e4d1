"""JSON objects and event streams as bytes: what is not edited stays as it came."""

import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bruk.gateway.events import EventTooLong, Splitter, data_of, with_data
from bruk.gateway.splice import JsonObject, NotAnObject

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.text(), VALUES, max_size=5)
STYLES = st.sampled_from([(None, (",", ":")), (2, (" ,", ": ")), (None, (", ", " :\t"))])


def dumped(document: object, style: Any) -> bytes:
    indent, separators = style
    return json.dumps(document, indent=indent, separators=separators, ensure_ascii=False).encode(
        "utf-8", "surrogatepass"
    )


@given(OBJECTS, STYLES)
def test_reading_and_rendering_gives_the_same_bytes(document: dict[str, Any], style: Any) -> None:
    data = b" \n" + dumped(document, style) + b"\t"
    scanned = JsonObject.scan(data)
    assert {name: member.value for name, member in scanned.members.items()} == document
    assert scanned.render() == data


@given(OBJECTS, STYLES, VALUES)
def test_an_edit_changes_its_member_alone(document: dict[str, Any], style: Any, value: Any) -> None:
    for name in document:
        scanned = JsonObject.scan(dumped(document, style))
        scanned.set(name, value)
        assert json.loads(scanned.render()) == {**document, name: value}
        assert list(json.loads(scanned.render())) == list(document)


@given(OBJECTS, STYLES)
def test_a_member_is_taken_out_beside_other_edits(document: dict[str, Any], style: Any) -> None:
    for gone in document:
        scanned = JsonObject.scan(dumped(document, style))
        for name in document:
            if name != gone:
                scanned.set(name, "edited")
        scanned.remove(gone)
        assert json.loads(scanned.render()) == {name: "edited" for name in document if name != gone}


@given(OBJECTS, STYLES)
def test_a_member_gets_another_name_beside_other_edits(document: dict[str, Any], style: Any) -> None:
    for name in document:
        scanned = JsonObject.scan(dumped(document, style))
        scanned.rename(name, "other name")
        scanned.set("model", 1)
        expected = {"other name" if each == name else each: value for each, value in document.items()}
        if "model" in document:
            expected["other name" if name == "model" else "model"] = 1
        assert json.loads(scanned.render()) == {**expected, **({} if "model" in document else {"model": 1})}


@given(OBJECTS, STYLES)
def test_members_are_added(document: dict[str, Any], style: Any) -> None:
    scanned = JsonObject.scan(dumped(document, style))
    document = dict(document)
    for name in ("model", "stream_options"):
        scanned.set(name, {"a": 1})
        document[name] = {"a": 1}
    assert json.loads(scanned.render()) == document


@given(st.binary(max_size=60) | st.text(alphabet='{}[]",:0 \\u1e', max_size=40).map(str.encode))
def test_what_is_read_is_what_json_reads(data: bytes) -> None:
    try:
        scanned = JsonObject.scan(data)
    except NotAnObject:
        return
    assert json.loads(data) == {name: member.value for name, member in scanned.members.items()}
    assert scanned.render() == data


@pytest.mark.parametrize(
    "data",
    [
        b'{"a":1,"a":1}',
        b'{"a":1,"\\u0061":1}',
        b'{"a":1,}',
        b'{"a" 1}',
        b"{,}",
        b'{"a":}',
        b"{'a':1}",
        b"{}{}",
    ],
)
def test_what_two_readers_could_take_differently_is_refused(data: bytes) -> None:
    with pytest.raises(NotAnObject):
        JsonObject.scan(data)


EVENTS = st.lists(
    st.sampled_from(
        [
            b"data: x\n\n",
            b"data:x\r\n\r\n",
            b": note\n\n",
            b"id: 7\ndata: a\ndata: b\n\n",
            b"retry: 5\r\r",
            b"\n\n",
        ]
    ),
    max_size=8,
)


@given(EVENTS, st.lists(st.integers(0, 100), max_size=6))
def test_events_are_whole_however_the_bytes_come(events: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(events)
    splitter = Splitter(1000)
    places = sorted({min(cut, len(stream)) for cut in cuts} | {0, len(stream)})
    found = []
    for start, end in itertools.pairwise(places):
        found += splitter.feed(stream[start:end])
    assert b"".join(found) + splitter.rest() == stream
    assert _datas(found) == _datas(events)


def _datas(events: list[bytes]) -> list[bytes]:
    return [data for event in events if (data := data_of(event)) is not None]


def test_only_data_is_exchanged() -> None:
    assert with_data(b"data: x\n\n", b"y") == b"data: y\n\n"
    assert with_data(b"event: e\r\ndata:x\r\nid: 1\r\n\r\n", b"y") == b"event: e\r\ndata:y\r\nid: 1\r\n\r\n"
    assert with_data(b"data: a\ndata: b\n\n", b"c\nd") == b"data: c\ndata: d\n\n"
    assert data_of(b"id: 1\ndata: a\ndata:b\n\n") == b"a\nb"
    assert data_of(b": comment\n\n") is None


def test_an_event_without_end_is_not_kept_for_ever() -> None:
    splitter = Splitter(10)
    with pytest.raises(EventTooLong):
        splitter.feed(b"data: " + b"x" * 10)
