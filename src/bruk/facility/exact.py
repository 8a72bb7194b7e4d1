"""Numbers as people write them, kept exact, and the one rounding of this room.

A float such as 1.15 means the decimal 1.15 here, never its nearest binary fraction, so that a total does not
depend on how it was added up. Rounding is half to even and happens once, at the end.
"""

import math
from fractions import Fraction

from bruk.model.errors import InvalidInput


class ImpossibleMeasurement(InvalidInput):
    """A measurement or factor is outside what is possible; the message names it."""

    code = "measurement_impossible"


def exact(number: float, what: str, *, least: float | None = None, most: float | None = None) -> Fraction:
    """The decimal that a number is written as, checked against its limits.

    Args:
        number: an integer or a float as read from a file, a meter or a person.
        what: how to call it in an error.
        least: the least possible value, if there is one.
        most: the greatest possible value, if there is one.

    Raises:
        ImpossibleMeasurement: when it is no finite number or is out of its limits.
    """
    if not math.isfinite(number):
        raise ImpossibleMeasurement(f"{what} is {number}, not a finite number. Check where it comes from.")
    if least is not None and number < least:
        raise ImpossibleMeasurement(
            f"{what} is {number}, but cannot be below {least}. Check its value and unit."
        )
    if most is not None and number > most:
        raise ImpossibleMeasurement(
            f"{what} is {number}, but cannot be above {most}. Check its value and unit."
        )
    return Fraction(repr(number)) if isinstance(number, float) else Fraction(number)
