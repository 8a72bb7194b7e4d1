"""How quantities are written for people: exact, in plain digits, with their unit.

Pure formatting of integers; nothing is added up here. Text from outside is freed of what could steer a
terminal or a spreadsheet. `page` puts the results into HTML.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from fractions import Fraction

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNITS = {"device_ms": "device-hours", "token": "tokens"}
_MS_PER_HOUR = 3_600_000
_J_PER_KWH = 3_600_000


def cents(microeur: int) -> int:
    """An amount in cents, rounded half to even.

    Args:
        microeur: the exact amount [micro-EUR].
    """
    return round(Fraction(microeur, 10_000))


def decimal(scaled: int, places: int, least_places: int | None = None) -> str:
    """An integer of scaled units as a decimal number with thousands set off by commas.

    Args:
        scaled: the number times 10 to the power of `places`.
        places: decimal places that it has, above zero.
        least_places: how many places stay where they are zero; all, if not given.
    """
    assert places > 0, "a number without places needs no scaling"
    whole, part = divmod(abs(scaled), 10**places)
    digits = f"{part:0{places}d}"
    if least_places is not None:
        digits = digits[:least_places] + digits[least_places:].rstrip("0")
    return f"{'-' if scaled < 0 else ''}{whole:,}{'.' if digits else ''}{digits}"


def euros_exact(microeur: int) -> str:
    """An amount to the micro-euro, such as `1,234.567890`."""
    return decimal(microeur, 6)


def euros(microeur: int) -> str:
    """An amount in euros, rounded to cents half to even, such as `1,234.57`."""
    return decimal(cents(microeur), 2)


def price(microeur: int) -> str:
    """A price in euros with as many places as it has, at least two."""
    return decimal(microeur, 6, least_places=2)


def quantity(amount: int, unit: str) -> str:
    """A quantity for people: device milliseconds as device-hours, others as they are."""
    if unit == "device_ms":
        return decimal(round(Fraction(amount * 10**6, _MS_PER_HOUR)), 6)
    return f"{amount:,}"


def unit_name(unit: str) -> str:
    """The name of the unit that `quantity` writes in."""
    return _UNITS.get(unit, unit)


def priced_unit(unit: str, per: int) -> str:
    """What a price buys, such as `device-hour` or `million tokens`."""
    if (unit, per) == ("device_ms", _MS_PER_HOUR):
        return "device-hour"
    if (unit, per) == ("token", 1_000_000):
        return "million tokens"
    return f"{per:,} {unit}".strip()


def count(number: int | None) -> str:
    """A count, or a dash where nobody has said how many."""
    return "–" if number is None else f"{number:,}"


def kilowatt_hours(energy_j: int) -> str:
    """Energy in kilowatt-hours, to the milliwatt-hour."""
    return decimal(round(Fraction(energy_j * 10**6, _J_PER_KWH)), 6, least_places=3)


def ratio(milli: int) -> str:
    """A ratio given in thousandths, with at least two places, such as `1.15`."""
    return decimal(milli, 3, least_places=2)


def grams(carbon_mg: int) -> str:
    """A mass in grams, exact."""
    return decimal(carbon_mg, 3)


def moment(at_ms: int) -> str:
    """A moment in UTC to the second, such as `2026-11-22 17:45:03 UTC`.

    Args:
        at_ms: since the epoch, UTC [ms].
    """
    try:
        return (_EPOCH + timedelta(milliseconds=at_ms)).strftime("%Y-%m-%d %H:%M:%S UTC")
    except OverflowError:
        return f"{at_ms} ms since the epoch"


def plain(text: object) -> str:
    """Text from outside on one line, without control or direction characters."""
    return "".join(
        character if character.isprintable() else " " if character.isspace() else "\N{REPLACEMENT CHARACTER}"
        for character in str(text)
    )


def spreadsheet_text(text: object) -> str:
    """Text from outside that no spreadsheet takes for a formula."""
    cell = plain(text)
    return f"'{cell}" if cell.lstrip()[:1] in ("=", "+", "-", "@") else cell


def names(lines: Iterable[object]) -> str:
    """Several lines of a name and address on one."""
    return ", ".join(plain(line) for line in lines)
