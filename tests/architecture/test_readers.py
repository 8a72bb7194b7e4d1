"""Whoever reads what others wrote is attacked: every module with a reader stands in the list of parsers.

A reader is known by the calls that turn text or bytes into values. A module that makes one and is on
neither list fails here; so does a listed one that reads no more.
"""

import ast
from pathlib import Path

import bruk

from ..attack.parsers import PARSERS  # noqa: TID252 (tests are no installed package)

SOURCE = Path(bruk.__file__).parent
REVIEWED = Path(__file__).parent / "reviewed_readers.txt"
READERS = {
    "parse_json",
    "parse_canonical",
    "json.loads",
    "json.load",
    "orjson.loads",
    "tomllib.loads",
    "tomllib.load",
    "csv.reader",
    "csv.DictReader",
    "tarfile.open",
    "fromisoformat",
    "unpack",
    "unpack_from",
    "decode_base64url",
    "b64decode",
    "fromhex",
    "model_validate",
    "model_validate_json",
}
# The standard reader of JSON has two kinds of error; only these know of both.
JSON_BY_HAND = {
    "model.jsontext",
    "seal.canonical",
    "engines.local.records",  # the supervisor's, of the standard library alone
    "recipes.run",
    "recipes.texts",
    "recipes.weights",
}


def _called(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            found |= {name, name.rsplit(".", 1)[-1]} & READERS
            if name.startswith("jsonlib."):
                found.add(f"json.{name.removeprefix('jsonlib.')}")
    return found


def _modules() -> dict[str, set[str]]:
    found = {}
    for path in sorted(SOURCE.rglob("*.py")):
        name = ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__")
        if called := _called(path):
            found[name] = called
    return found


def _reviewed() -> dict[str, str]:
    lines = [line.partition("#") for line in REVIEWED.read_text().splitlines() if line.strip()]
    return {name.strip(): why.strip() for name, _, why in lines if name.strip()}


def test_every_reader_is_attacked_or_was_reviewed() -> None:
    attacked, reviewed = {parser.module for parser in PARSERS}, _reviewed()
    assert attacked & set(reviewed) == set(), "on both lists"
    assert [name for name in _modules() if name not in attacked | set(reviewed)] == []
    assert all(reviewed.values()), "each reviewed reader says why it is not attacked"


def test_no_reviewed_reader_is_gone() -> None:
    assert set(_reviewed()) - set(_modules()) == set()


def test_every_parser_names_a_module_that_is_there() -> None:
    for parser in PARSERS:
        assert (SOURCE / (parser.module.replace(".", "/") + ".py")).exists(), parser.module


def test_json_is_read_in_one_place() -> None:
    by_hand = {name for name, called in _modules().items() if called & {"json.loads", "json.load"}}
    assert by_hand - JSON_BY_HAND - {name for name in by_hand if name.startswith("cli.demo")} == set()
