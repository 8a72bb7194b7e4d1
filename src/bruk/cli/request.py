"""Request bodies from options, with faults said in the words of the command line."""

from collections.abc import Callable, Iterable
from decimal import Decimal, InvalidOperation
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from bruk.cli.quantity import show_duration, show_eur, show_size
from bruk.model.errors import InvalidInput
from bruk.wire import words

B = TypeVar("B", bound=BaseModel)
# Fields whose option has another name.
_OPTIONS = {"life_ms": "--for", "grid_zone": "--zone", "pue_milli": "--pue", "amount_microeur": "the amount"}
# How a limit is written, by the unit at the end of a field's name.
_SHOWN: dict[str, Callable[[int], str]] = {
    "_ms": show_duration,
    "_s": lambda seconds: show_duration(seconds * 1000),
    "_bytes": show_size,
    "_microeur": lambda amount: f"{show_eur(amount)} EUR",
    "_milli": lambda thousandths: f"{thousandths / 1000:g}",
}


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
    """The faults of a request as the command line speaks: its options, and quantities with their units."""
    return words.explain(error.errors(include_url=False), _where, _bound)


def _where(parts: Iterable[int | str]) -> str:
    found = [str(part) for part in parts if part != "spec"]
    if not found:
        return ""
    *outer, last = found
    if option := _OPTIONS.get(last):
        return option
    unit = next((unit for unit in _SHOWN if last.endswith(unit)), "")
    return words.place([*outer, last.removesuffix(unit).replace("_", " ")])


def _bound(field: str, limit: Any) -> str:
    show = next((show for unit, show in _SHOWN.items() if field.endswith(unit)), None)
    return show(limit) if show is not None and isinstance(limit, int) else words.plain_bound(field, limit)


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
