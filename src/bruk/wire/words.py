"""What is wrong with a request, for people: no validator's own words, no expression that was not matched.

Faults are Pydantic's; a value is quoted only where it is a name that cannot be one, never a text that may
be secret. Look next at ``codec`` and at the doors, which say this.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from bruk.model.errors import InvalidInput
from bruk.model.name import NAME_PATTERN, check_name
from bruk.wire.fields import COUNTRY, DIGEST, ENV_NAME, GRID_ZONE, IDENTIFIER, NODE_NAME, PROJECT_ID

FAULTS_MAX = 3
QUOTED_MAX = 80
_NAMES = {
    PROJECT_ID: "is no project; write it as tenant/name",
    COUNTRY: "is no country; write the two letters of ISO 3166, like FR",
    GRID_ZONE: "is no grid zone; write it like FR or SE-SE3",
    ENV_NAME: "is no name of a variable: take letters, digits and '_', and no digit first",
    IDENTIFIER: "is no identifier: take 1 to 200 letters, digits and any of '_./:-'",
    NODE_NAME: "is no name of a node: take letters, digits and any of '_.:-'",
    DIGEST: "is no digest: that is 64 lower-case hexadecimal digits (SHA-256)",
}
_KINDS = {
    "missing": "is missing",
    "extra_forbidden": "is not known here",
    "json_invalid": "is not JSON",
    "string_type": "must be a text",
    "bytes_type": "must be a text",
    "string_unicode": "must be text in UTF-8",
    "list_type": "must be a list",
    "tuple_type": "must be a list",
    "dict_type": "must be an object of names and values",
    "model_type": "must be an object of names and values",
    "model_attributes_type": "must be an object of names and values",
    "dataclass_type": "must be an object of names and values",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_parsing_size": "is too large a number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "finite_number": "must be a finite number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "none_required": "must be null",
}
_BOUNDS = {
    "greater_than_equal": ("ge", "must be at least {}"),
    "less_than_equal": ("le", "must be at most {}"),
    "greater_than": ("gt", "must be more than {}"),
    "less_than": ("lt", "must be less than {}"),
    "string_too_short": ("min_length", "must have at least {} characters"),
    "string_too_long": ("max_length", "may have at most {} characters"),
    "too_short": ("min_length", "must have at least {} entries"),
    "too_long": ("max_length", "may have at most {} entries"),
    "enum": ("expected", "must be {}"),
    "literal_error": ("expected", "must be {}"),
}
# Of a field that may be one of several things, the validator names each of them as a place of its own.
_INNER = ("constrained-", "literal[", "function-", "nullable[", "str", "int", "list[", "dict[", "is-instance")


def place(parts: Iterable[int | str]) -> str:
    """Where in a request a fault is, as its sender wrote it."""
    found = [str(part) for part in parts]
    if found and found[0] in ("body", "query", "path", "header"):
        found = found[1:] or [found[0]]
    return ".".join(part for part in found if part != "[key]" and not part.startswith(_INNER))


def plain_bound(_: str, limit: Any) -> str:
    """A limit as a number with its thousands marked, or as the choices that there are."""
    return f"{limit:,}" if isinstance(limit, int) else str(limit)


def explain(
    faults: Iterable[Mapping[str, Any]],
    where: Callable[[Iterable[int | str]], str] = place,
    bound: Callable[[str, Any], str] = plain_bound,
) -> str:
    """The first few faults as one line.

    Args:
        where: names a place.
        bound: writes a limit of the field of this name.
    """
    said: dict[str, str] = {}
    for fault in faults:
        what = where(fault["loc"])
        said.setdefault(what, _said(fault, what, bound))
    return "; ".join(list(said.values())[:FAULTS_MAX])


def _said(fault: Mapping[str, Any], what: str, bound: Callable[[str, Any], str]) -> str:
    kind, about = fault["type"], fault.get("ctx", {})
    if kind in ("value_error", "assertion_error"):
        error = str(about.get("error", "it cannot be used"))
        return f"{what}: {error}" if what else error
    what = what or "the request"
    if kind == "string_pattern_mismatch":
        return _no_name(what, fault.get("input"), str(about.get("pattern", "")))
    if kind in _BOUNDS:
        name, words = _BOUNDS[kind]
        field = next((part for part in reversed(fault["loc"]) if isinstance(part, str)), "")
        return f"{what} {words.format(bound(field, about.get(name, '')))}"
    return f"{what} {_KINDS.get(kind, 'cannot be used as it is')}"


def _no_name(what: str, given: object, pattern: str) -> str:
    quoted = repr(given)[:QUOTED_MAX]
    if pattern == NAME_PATTERN:
        try:
            check_name(str(given)[:QUOTED_MAX], what)
        except InvalidInput as error:
            return error.message
    return f"{what} {quoted} {_NAMES.get(pattern, 'is not written as it must be')}"
