"""The page of compatibility: which calls of the official clients work, from the tests that make them."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from generator.source import table

TESTS = Path(__file__).parents[2] / "tests" / "conformance"
CLIENTS = (("openai", "OpenAI's", "test_openai.py"), ("mistralai", "Mistral's", "test_mistralai.py"))
SAID = {"works": "works", "refused": "a clear refusal"}
INTRO = """# Compatibility

What the official clients of OpenAI and Mistral, unchanged, do against Bruk. Each row is a test that makes
the call with the real client against a running Bruk with a model that it trained, judged and served itself
(`tests/conformance`); this page is made from those tests. A call that stands in no table is not offered: it
gets a 404 in the API's shape.

OpenAI's client takes the gateway's address with `/v1` as its `base_url`, Mistral's takes it without as its
`server_url`. Which fields of a call are honoured is the engine's to say: one that it would drop without a
word is refused by name.
"""


@dataclass(frozen=True, slots=True)
class Call:
    """A call of a client, and what a test shows of it."""

    name: str
    how: str
    found: str
    test: str


def calls(text: str) -> Iterator[Call]:
    """The calls that a module's tests make, from their decorators."""
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.FunctionDef):
            continue
        for mark in node.decorator_list:
            if isinstance(mark, ast.Call) and isinstance(mark.func, ast.Name) and mark.func.id in SAID:
                words = [item.value for item in mark.args if isinstance(item, ast.Constant)]
                yield Call(str(words[0]), str(words[1]) if words[1:] else "", SAID[mark.func.id], node.name)


def page() -> str:
    """The whole page."""
    parts = [INTRO]
    for package, whose, module in CLIENTS:
        found = sorted(calls((TESTS / module).read_text("utf-8")), key=lambda call: (call.name, call.how))
        rows = [[f"`{call.name}`", call.how, call.found, f"`{call.test}`"] for call in found]
        release = re.match(r"\d+", version(package))
        assert release is not None, "a version begins with a number"
        parts.append(f"## {whose} client, `{package}` {release[0]}\n")
        parts.append(table(["Call", "In particular", "Found", "Shown by"], rows))
    return "\n".join(parts)
