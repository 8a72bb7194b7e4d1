"""What a column takes, checked before either database sees it, so that both take and refuse the same.

PostgreSQL refuses NUL characters and holds text and integers to their column's size; SQLite takes them all.
A value is refused here with an error for people. It must never change a value to make it fit.
Look next at ``columns``.
"""

from sqlalchemy import BigInteger, Dialect, Integer, String, Text, TypeDecorator
from sqlalchemy.exc import DontWrapMixin

from bruk.model.errors import InvalidInput


class ValueRefused(InvalidInput, DontWrapMixin):
    """A text or number that the store cannot keep: too long, too large, or with characters that none can."""

    code = "value_refused"


class Words(TypeDecorator[str]):
    """Text, at most of a number of characters where one is given; never with NUL or half a character."""

    impl = String
    cache_ok = True

    def __init__(self, characters_max: int | None = None) -> None:
        super().__init__(characters_max)
        self.characters_max = characters_max
        if characters_max is None:
            self.impl = Text()  # type: ignore[assignment]  # Its own docs allow an instance.

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """The value as it is.

        Raises:
            ValueRefused: it cannot be kept.
        """
        if value is None or (value.isascii() and "\0" not in value and self._fits(value)):
            return value
        if "\0" in value:
            raise ValueRefused(f"{_shown(value)} holds a NUL character; leave it out")
        if not self._fits(value):
            raise ValueRefused(
                f"{_shown(value)} has {len(value)} characters; at most {self.characters_max} can be kept here"
            )
        try:
            value.encode()
        except UnicodeEncodeError:
            raise ValueRefused(f"{_shown(value)} holds half a character (a lone surrogate)") from None
        return value

    def _fits(self, value: str) -> bool:
        return self.characters_max is None or len(value) <= self.characters_max


class _Whole(TypeDecorator[int]):
    impl = Integer
    cache_ok = True
    bits: int

    def process_bind_param(self, value: int | None, dialect: Dialect) -> int | None:
        """The value as it is.

        Raises:
            ValueRefused: it is too large.
        """
        if value is not None and not -(1 << self.bits - 1) <= value < 1 << self.bits - 1:
            raise ValueRefused(f"the number {value} is beyond {self.bits} bits and cannot be kept")
        return value


class Small(_Whole):
    """An integer of 32 bits."""

    impl = Integer
    cache_ok = True
    bits = 32


class Whole(_Whole):
    """An integer of 64 bits."""

    impl = BigInteger
    cache_ok = True
    bits = 64


def _shown(value: str) -> str:
    shown = ascii(value[:40])
    return shown if len(value) <= 40 else f"{shown}…"
