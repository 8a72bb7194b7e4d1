"""Request bodies from options, with faults said in the words of the command line."""

from decimal import Decimal, InvalidOperation
from typing import Any, TypeVar

from pydantic import BaseModel

from bruk.model.errors import InvalidInput
from bruk.wire import codec

B = TypeVar("B", bound=BaseModel)


def built(shape: type[B], **values: Any) -> B:
    """A request body of the given values; those that are None are left out.

    Raises:
        InvalidInput: a value is out of its bounds; the message names it.
    """
    return codec.body(shape, **{name: value for name, value in values.items() if value is not None})


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
