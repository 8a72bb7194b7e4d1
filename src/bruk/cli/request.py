"""Request bodies from options, with faults said in the words of the command line."""

from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from bruk.model.errors import InvalidInput
from bruk.model.name import check_name
from bruk.wire import codec
from bruk.wire.fields import Country, Name, ProjectId

B = TypeVar("B", bound=BaseModel)


def built(shape: type[B], *, null: Iterable[str] = (), **values: Any) -> B:
    """A request body of the given values; those that are None are left out.

    Args:
        null: fields to be null, which for a limit is none.

    Raises:
        InvalidInput: a value is out of its bounds; the message names it.
    """
    try:
        given = {name: value for name, value in values.items() if value is not None}
        return shape(**given, **dict.fromkeys(null))
    except ValidationError as error:
        raise InvalidInput(in_words(error)) from None


def in_words(error: ValidationError) -> str:
    """The faults of a request for people: what a name is made of, not the expression that it failed."""
    for fault in error.errors(include_url=False):
        what = ".".join(str(part) for part in fault["loc"] if part != "spec")
        given = fault["input"]
        match fault.get("ctx", {}).get("pattern"):
            case None:
                continue
            case pattern if pattern == _pattern(Name):
                return _not_a_name(given, what)
            case pattern if pattern == _pattern(ProjectId):
                return f"{what} {given!r} is no project; write it as tenant/name"
            case pattern if pattern == _pattern(Country):
                return f"{what} {given!r} is no country; write the two letters of ISO 3166, like FR"
    return codec.explain(error).replace("spec.", "")


def _pattern(text: Any) -> object:
    """The expression that an annotated text must match."""
    return text.__metadata__[0].pattern


def _not_a_name(given: str, what: str) -> str:
    try:
        check_name(given, what)
    except InvalidInput as error:
        return error.message
    raise AssertionError("both check the same expression")


def milli(text: str, what: str) -> int:
    """Thousandths of a decimal number.

    Raises:
        InvalidInput: it is none with at most three decimals.
    """
    try:
        exact = Decimal(text) * 1000
        if exact.is_finite() and exact == int(exact):
            return int(exact)
    except InvalidOperation:
        pass
    raise InvalidInput(f"{what} {text!r} is not a number with at most three decimals, like 1.25")
