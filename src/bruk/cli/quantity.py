"""Quantities as people write and read them: durations, sizes, money, moments.

Exact: no value passes through a float on its way in, and what cannot be meant is refused with an
example. Nothing here reads a clock.
"""

import re
from datetime import UTC, datetime
from decimal import Decimal

from bruk.model.errors import InvalidInput

_DURATION_MS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
_SIZE_BYTES = {"": 1, "b": 1} | {
    f"{letter}{suffix}": base**power
    for power, letter in enumerate("kmgtp", start=1)
    for suffix, base in (("b", 1000), ("ib", 1024))
}
_WATTS = {"W": 1, "kW": 10**3, "MW": 10**6, "GW": 10**9}
_NUMBER = r"(?:[0-9]{1,18})(?:\.[0-9]{1,9})?"
_DURATION = re.compile(rf"(?:{_NUMBER}(?:ms|[smhdw]))+")
_DURATION_PART = re.compile(rf"({_NUMBER})(ms|[smhdw])")
_SIZE = re.compile(rf"({_NUMBER})\s*([A-Za-z]*)")
_MONEY = re.compile(r"(?:EUR\s*|€\s*)?([0-9]{1,15}(?:\.[0-9]{1,6})?)(?:\s*EUR|\s*€)?", re.IGNORECASE)
AMOUNT_MS_MAX = 100_000_000_000_000  # some three thousand years


def duration_ms(text: str) -> int:
    """Milliseconds of a duration such as ``90s``, ``2h``, ``1h30m`` or ``1.5d`` [ms].

    Raises:
        InvalidInput: it has no unit, or is no whole number of milliseconds.
    """
    cleaned = text.strip().replace(" ", "")
    if not _DURATION.fullmatch(cleaned):
        raise InvalidInput(f"{text!r} is not a duration; write it with a unit, like 90s, 30m, 2h or 1h30m")
    exact = sum((Decimal(n) * _DURATION_MS[unit] for n, unit in _DURATION_PART.findall(cleaned)), Decimal(0))
    if exact != int(exact) or exact > AMOUNT_MS_MAX:
        raise InvalidInput(f"{text!r} is finer than a millisecond, or longer than any duration can be")
    return int(exact)


def duration_s(text: str) -> int:
    """Seconds of a duration [s].

    Raises:
        InvalidInput: as :func:`duration_ms`, or it is no whole number of seconds.
    """
    ms = duration_ms(text)
    if ms % 1000:
        raise InvalidInput(f"{text!r} is no whole number of seconds")
    return ms // 1000


def size_bytes(text: str) -> int:
    """Bytes of a size such as ``4GiB`` (1024s), ``500MB`` (1000s) or a plain number of bytes [bytes].

    Raises:
        InvalidInput: it is no such size, or no whole number of bytes.
    """
    match = _SIZE.fullmatch(text.strip())
    if not match or match[2].lower() not in _SIZE_BYTES:
        raise InvalidInput(f"{text!r} is not a size; write it like 4GiB, 500MB or 1048576")
    exact = Decimal(match[1]) * _SIZE_BYTES[match[2].lower()]
    if exact != int(exact) or exact >= 2**63:
        raise InvalidInput(f"{text!r} is no whole number of bytes, or larger than any size can be")
    return int(exact)


def microeur(text: str) -> int:
    """Millionths of a euro of an amount such as ``12.50`` or ``0.000001`` [EUR * 1e-6].

    Raises:
        InvalidInput: it is negative, has more than six decimals or a comma.
    """
    match = _MONEY.fullmatch(text.strip())
    if not match:
        hint = "; the decimal sign is a point" if "," in text else ""
        raise InvalidInput(
            f"{text!r} is not an amount in EUR; write it like 12.50, with at most six decimals{hint}"
        )
    return int(Decimal(match[1]) * 1_000_000)


def watts(text: str) -> int:
    """A power with its unit: W, kW, MW or GW; at most to the watt [W].

    Raises:
        InvalidInput: it is no such power.
    """
    match = re.fullmatch(r"([0-9]{1,12}(?:\.[0-9]{1,9})?) ?(W|kW|MW|GW)", text.strip(), re.ASCII)
    found = Decimal(match[1]) * _WATTS[match[2]] if match else None
    if found is None or found != int(found):
        raise InvalidInput(f"{text!r} is not a power; write it like 23MW, 700 kW or 500W")
    return int(found)


def show_watts(power_w: int) -> str:
    """A power in its largest unit that loses nothing, such as ``23 MW``."""
    unit = max((unit for unit, size in _WATTS.items() if power_w % size == 0), key=lambda unit: _WATTS[unit])
    return f"{power_w // _WATTS[unit]} {unit}" if power_w else "0 W"


def moment_ms(text: str) -> int:
    """A date or a time by ISO 8601, local unless it names an offset [ms since the Unix epoch, UTC].

    Raises:
        InvalidInput: it is no such moment, or lies before 1970.
    """
    try:
        at = datetime.fromisoformat(text.strip())
        if at.tzinfo is None:
            at = at.astimezone()
        since = at - datetime(1970, 1, 1, tzinfo=UTC)
    except (ValueError, OverflowError, OSError):
        raise InvalidInput(
            f"{text!r} is not a moment; write it like 2026-11-30 or 2026-11-30T18:00+01:00"
        ) from None
    ms = (since.days * 86_400 + since.seconds) * 1000 + since.microseconds // 1000
    if ms < 0:
        raise InvalidInput(f"{text!r} lies before 1970")
    return ms


def show_eur(amount_microeur: int | None) -> str:
    """An amount with its thousands separated; six decimals where two would hide something."""
    if amount_microeur is None:
        return "-"
    sign, whole = ("-" if amount_microeur < 0 else ""), abs(amount_microeur)
    euros, micro = divmod(whole, 1_000_000)
    decimals = f"{micro // 10_000:02d}" if micro % 10_000 == 0 else f"{micro:06d}"
    return f"{sign}{euros:,}.{decimals}"


def show_duration(ms: int | None) -> str:
    """A duration with its two largest units."""
    if ms is None:
        return "-"
    if ms < 60_000:
        return f"{ms // 1000}.{ms % 1000 // 100} s"
    minutes, seconds = divmod(ms // 1000, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours:02d} h"
    return f"{hours} h {minutes:02d} m" if hours else f"{minutes} m {seconds:02d} s"


def show_size(count_bytes: int) -> str:
    """A size in the unit that leaves at most four digits."""
    if count_bytes < 1024:
        return f"{count_bytes} B"
    units = ("KiB", "MiB", "GiB", "TiB")
    power = min((count_bytes.bit_length() - 1) // 10, len(units))
    tenths = count_bytes * 10 // 1024**power
    return f"{tenths // 10:,}.{tenths % 10} {units[power - 1]}"


def show_moment(at_ms: int | None) -> str:
    """A moment in local time with its offset, to the second."""
    if at_ms is None:
        return "-"
    try:
        local = _local(at_ms)
    except (ValueError, OverflowError, OSError):
        return f"{at_ms} ms"
    return local.isoformat(sep=" ", timespec="seconds")


def show_time(at_ms: int | None, *, seconds: bool = False) -> str:
    """A moment in local time for a table, to the minute or to the second."""
    if at_ms is None:
        return "-"
    try:
        local = _local(at_ms)
    except (ValueError, OverflowError, OSError):
        return f"{at_ms} ms"
    return f"{local:%Y-%m-%d %H:%M:%S}" if seconds else f"{local:%Y-%m-%d %H:%M}"


def _local(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms // 1000, tz=UTC).astimezone()


def show_kwh(energy_j: int) -> str:
    """An energy in kWh with six decimals, rounded down."""
    return _millionths(energy_j * 1_000_000 // 3_600_000)


def show_grams(carbon_mg: int) -> str:
    """A mass in grams with three decimals."""
    return f"{carbon_mg // 1000:,}.{carbon_mg % 1000:03d}"


def _millionths(value: int) -> str:
    return f"{value // 1_000_000:,}.{value % 1_000_000:06d}"
