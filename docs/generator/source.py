"""What source code says beside its names: docstrings in parts, comments of members and fields."""

import ast
import inspect
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


def cell(text: object) -> str:
    """Text for one cell of a Markdown table."""
    return " ".join(str(text).split()).replace("|", "\\|")


def prose(text: str) -> str:
    """A docstring as Markdown: double backticks become single ones."""
    return re.sub(r"``([^`]+)``", r"`\1`", re.sub(r":(?:func|class|mod|meth):`([^`]+)`", r"`\1`", text))


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table, with an empty line after it."""
    lines = ["| " + " | ".join(columns) + " |", "|" + " --- |" * len(columns)]
    lines += ["| " + " | ".join(cell(item) for item in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def first_sentence(text: str | None) -> str:
    """The first paragraph of a docstring on one line."""
    paragraph = inspect.cleandoc(text or "").split("\n\n", 1)[0]
    return prose(" ".join(paragraph.split()))


def attributes(shape: type) -> dict[str, str]:
    """Name to meaning, from the ``Attributes:`` part of a class's docstring."""
    text = inspect.cleandoc(shape.__doc__ or "")
    _, mark, rest = text.partition("Attributes:\n")
    if not mark:
        return {}
    found: dict[str, str] = {}
    names: list[str] = []
    for line in rest.splitlines():
        match = re.match(r"    ([a-z_0-9, ]+): (.*)", line)
        if line and not line.startswith("    "):
            break
        if match:
            names = [name.strip() for name in match[1].split(",")]
            found |= dict.fromkeys(names, match[2])
        else:
            found |= {name: f"{found[name]} {line.strip()}" for name in names}
    return {name: prose(" ".join(meaning.split())) for name, meaning in found.items()}


def body(shape: type) -> str:
    """A class's docstring without its ``Attributes:`` part."""
    text = inspect.cleandoc(shape.__doc__ or "")
    return prose(text.partition("Attributes:\n")[0].strip())


def member_comments(states: type[StrEnum]) -> dict[str, str]:
    """Value of each member to the comment behind it in the source."""
    found = {member.value: "" for member in states}
    for line in inspect.getsource(states).splitlines():
        match = re.match(r"    ([A-Z_]+) = \"([^\"]*)\"(?:\s+#\s*(.*))?$", line)
        if match and match[2] in found:
            found[match[2]] = prose(match[3] or "")
    return found


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a configuration as its source declares it."""

    name: str
    type: str
    default: str
    comment: str


def dataclass_fields(file: Path, name: str) -> list[Field]:
    """The fields of a dataclass, read from its source without importing it."""
    text = file.read_text("utf-8")
    lines = text.splitlines()
    for node in ast.parse(text).body:
        if isinstance(node, ast.ClassDef) and node.name == name:
            return [_field(item, lines) for item in node.body if isinstance(item, ast.AnnAssign)]
    raise LookupError(f"{file} has no class {name}")


def _field(item: ast.AnnAssign, lines: list[str]) -> Field:
    assert isinstance(item.target, ast.Name), "a dataclass's field is a name"
    default = "" if item.value is None else ast.unparse(item.value)
    factory = re.fullmatch(r"field\(default_factory=(\w+)\)", default)
    line = lines[(item.end_lineno or item.lineno) - 1]
    comment = line.partition("  # ")[2]
    return Field(
        item.target.id, ast.unparse(item.annotation), f"{factory[1]}()" if factory else default, comment
    )


def constants(file: Path) -> dict[str, str]:
    """Upper-case constants of a module to their source text."""
    return {
        node.targets[0].id: ast.unparse(node.value)
        for node in ast.parse(file.read_text("utf-8")).body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and node.targets[0].id.isupper()
    }
