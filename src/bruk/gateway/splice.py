"""A JSON object as text in which single members are replaced, while every other character stays as it
came.

Decoding and encoding again would change numbers, escapes and spaces that are none of the gateway's
business. So the text is scanned once, the place of each top-level member is kept, and an edit is a
splice. It must never change what it was not told to change. Look next at `parse` for requests and at
`relay` for answers.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from json.decoder import JSONDecoder
from typing import Any, NoReturn, cast

import orjson

_SPACE = re.compile(r"[ \t\n\r]*")
# A colon and a text without escapes behind a member's name.
_VALUE = re.compile(rb'[ \t\n\r]*:[ \t\n\r]*"([^"\\\x00-\x1f]*)"')


class NotAnObject(ValueError):
    """The text is no JSON object, or one that two readers could understand differently."""


def _refuse_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is no JSON")


# The scanner of the standard library is written in C and bounds its own recursion.
_scan_once: Any = cast(Any, JSONDecoder(parse_constant=_refuse_constant)).scan_once


@dataclass(frozen=True, slots=True)
class Member:
    """One member: where its name begins, where its value begins and ends, and the value."""

    start: int
    value_start: int
    end: int
    value: Any


class JsonObject:
    """The top level of one JSON object; `members` by name, in order."""

    __slots__ = ("_edits", "_inserted", "_names", "_open", "_text", "members")

    def __init__(self, text: str, open_at: int, members: dict[str, Member]) -> None:
        self._text = text
        self._open = open_at
        self._edits: dict[str, str | None] = {}
        self._inserted: list[str] = []
        self._names: dict[str, str] = {}
        self.members = members

    @classmethod
    def scan(cls, data: bytes) -> JsonObject:
        """Read the object.

        Raises:
            NotAnObject: the bytes are not UTF-8, not JSON, no object, nested too deeply, or a name stands
                twice at the top level (then this reader and the engine's could take different ones).
        """
        try:
            text = data.decode("utf-8")
            return cls._scan(text)
        except RecursionError:
            raise NotAnObject("it is nested too deeply") from None
        except UnicodeDecodeError:
            raise NotAnObject("it is not UTF-8") from None
        except StopIteration as stop:
            raise NotAnObject(f"a value is missing at character {stop.value}") from None
        except json.JSONDecodeError as error:
            raise NotAnObject(f"{error.msg} at character {error.pos}") from None
        except NotAnObject:
            raise
        except ValueError:
            raise NotAnObject("it holds a number that is too long, or NaN or Infinity") from None

    @classmethod
    def _scan(cls, text: str) -> JsonObject:
        position = _after_space(text, 0)
        if text[position : position + 1] != "{":
            raise NotAnObject("it is no JSON object")
        open_at = position + 1
        members: dict[str, Member] = {}
        position = _after_space(text, open_at)
        if text[position : position + 1] == "}":
            position += 1
        else:
            while True:
                start = position
                if text[position : position + 1] != '"':
                    raise NotAnObject(f"a name is missing at character {position}")
                name, position = _scan_once(text, position)
                if name in members:
                    raise NotAnObject(f"the name {name[:40]!r} stands twice")
                position = _after_space(text, position)
                if text[position : position + 1] != ":":
                    raise NotAnObject(f"a colon is missing at character {position}")
                value_start = _after_space(text, position + 1)
                value, end = _scan_once(text, value_start)
                members[name] = Member(start, value_start, end, value)
                position = _after_space(text, end)
                mark = text[position : position + 1]
                position += 1
                if mark == "}":
                    break
                if mark != ",":
                    raise NotAnObject(f"a comma is missing at character {position - 1}")
                position = _after_space(text, position)
        if _after_space(text, position) != len(text):
            raise NotAnObject(f"something follows the object at character {position}")
        return cls(text, open_at, members)

    def get(self, name: str, default: Any = None) -> Any:
        """The value of a member as it came, whatever was edited."""
        member = self.members.get(name)
        return default if member is None else member.value

    def raw(self, name: str, length: int) -> bytes:
        """The first so many characters of the member's value, as it came; empty without such a member."""
        member = self.members.get(name)
        if member is None:
            return b""
        start = member.value_start
        return self._text[start : min(member.end, start + length)].encode("utf-8")

    def set(self, name: str, value: object) -> None:
        """Replace the member's value, or add the member at the front."""
        raw = json.dumps(value, separators=(",", ":"))
        if name in self.members:
            self._edits[name] = raw
        else:
            self._inserted.append(f"{json.dumps(name)}:{raw}")

    def remove(self, name: str) -> None:
        """Take the member out, with one comma beside it."""
        assert name in self.members, "a member that is removed is there"
        assert None not in self._edits.values(), "one member at most is removed"
        assert not self._inserted, "nothing is added where something is removed"
        self._edits[name] = None

    def rename(self, name: str, new: str) -> None:
        """Give the member another name, which no other has."""
        assert name in self.members, "a member that is renamed is there"
        assert new not in self.members, "no name stands twice"
        self._names[name] = json.dumps(new)

    def render(self) -> bytes:
        """The text with the edits."""
        if not self._edits and not self._inserted and not self._names:
            return self._text.encode("utf-8")
        pieces = [self._text[: self._open]]
        if self._inserted:
            pieces.append(",".join(self._inserted) + ("," if self.members else ""))
        position = self._open
        names = list(self.members)
        for index, name in enumerate(names):
            if name not in self._edits and name not in self._names:
                continue
            member = self.members[name]
            raw = self._edits.get(name, self._text[member.value_start : member.end])
            if name in self._names and raw is not None:
                pieces += [self._text[position : member.start], f"{self._names[name]}:{raw}"]
                position = member.end
            elif raw is not None:
                pieces += [self._text[position : member.value_start], raw]
                position = member.end
            elif index + 1 < len(names):
                pieces.append(self._text[position : member.start])
                position = self.members[names[index + 1]].start
            else:
                # The last member takes the comma before it along.
                before = self.members[names[index - 1]].end if index else member.start
                pieces.append(self._text[position:before])
                position = member.end
        pieces.append(self._text[position:])
        return "".join(pieces).encode("utf-8")


def plain(data: bytes, name: str, other: bytes) -> tuple[dict[str, Any], bytes] | None:
    """An object with the value of its member ``name`` replaced, where that is plain to see; else None.

    Nearly every answer of an engine is so: the name stands in it once without escapes, and so does its value.
    Then the object need not be scanned member by member.

    Args:
        other: the new value as JSON.
    """
    quoted = f'"{name}"'.encode("ascii")
    if data.count(quoted) != 1 or b"\\u00" in data:
        return None
    try:
        found = orjson.loads(data)
    except orjson.JSONDecodeError:
        return None
    value = found.get(name) if isinstance(found, dict) else None
    if not isinstance(value, str):
        return None
    match = _VALUE.match(data, data.index(quoted) + len(quoted))
    if match is None or match[1] != value.encode("utf-8"):
        return None
    return found, data[: match.start(1) - 1] + other + data[match.end(1) + 1 :]


def _after_space(text: str, position: int) -> int:
    match = _SPACE.match(text, position)
    assert match is not None, "the pattern matches the empty text"
    return match.end()
