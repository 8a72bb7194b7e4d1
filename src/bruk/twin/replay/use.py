"""What an owner has used, fading with the product's half-life."""

import math

from bruk.control.decay import HALF_LIFE_MS, decayed


class Use:
    """Use of one owner: what was held counts half after a half-life.

    Attributes:
        held: devices that are held now.
    """

    __slots__ = ("_booked_at_ms", "_booked_ms", "held")

    def __init__(self) -> None:
        self.held = 0
        self._booked_ms = self._booked_at_ms = 0

    def at(self, now_ms: int) -> int:
        """The use at an instant, not before anything that was held or given back [device-ms]."""
        passed_ms = now_ms - self._booked_at_ms
        return decayed(self._booked_ms, passed_ms) + faded_ms(self.held, passed_ms)

    def hold(self, devices: int, now_ms: int) -> None:
        """From this instant on it holds so many more, or fewer."""
        self._booked_ms, self._booked_at_ms = self.at(now_ms), now_ms
        self.held += devices


def faded_ms(devices: int, passed_ms: int) -> int:
    """What is left of the use of devices held for a time, at its end [device-ms].

    The integral of devices * 2^(-t / h) over that time, h the half-life.
    """
    scale_ms = HALF_LIFE_MS / math.log(2)
    return round(devices * scale_ms * -math.expm1(-passed_ms / scale_ms))
