"""Numbers for people: as many digits as are read, separators, units. Pure.

Exact figures stand in documents and exports (see ``reports.display``); here they are rounded for the eye.
"""

from datetime import UTC, datetime, timedelta
from fractions import Fraction

from bruk.reports.display import decimal

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_MS = 86_400_000


def rounded(value: Fraction, digits: int = 3) -> str:
    """A number with thousands set off, and enough places to show some significant digits."""
    size = abs(value)
    if size == 0:
        return "0"
    places = 0
    while places < 9 and size * 10**places < 10 ** (digits - 1):
        places += 1
    scaled = round(value * 10**places)
    return decimal(scaled, places, least_places=0) if places else f"{scaled:,}"


def euros(microeur: int) -> str:
    """An amount: cents from one euro on, below it the digits that matter."""
    if abs(microeur) >= 1_000_000 or microeur == 0:
        return decimal(round(Fraction(microeur, 10_000)), 2)
    return (
        decimal(microeur, 6, least_places=2)
        if abs(microeur) < 10_000
        else decimal(round(Fraction(microeur, 100)), 4, least_places=2)
    )


def kwh(energy_j: int) -> str:
    """Energy [kWh]."""
    return rounded(Fraction(energy_j, 3_600_000))


def grams(carbon_mg: int) -> str:
    """A mass [g]."""
    return rounded(Fraction(carbon_mg, 1000))


def energy(energy_j: int) -> tuple[str, str]:
    """Energy as a number and the unit that makes it readable."""
    for factor, unit in ((3_600_000, "kWh"), (3600, "Wh")):
        if energy_j == 0 or abs(energy_j) * 10 >= factor:
            return rounded(Fraction(energy_j, factor)), unit
    return rounded(Fraction(energy_j * 10, 36)), "mWh"


def carbon(carbon_mg: int) -> tuple[str, str]:
    """A mass of CO2 equivalent as a number and the unit that makes it readable."""
    if abs(carbon_mg) >= 100_000_000:
        return rounded(Fraction(carbon_mg, 10**9)), "tCO2e"
    if abs(carbon_mg) >= 10_000_000:
        return rounded(Fraction(carbon_mg, 10**6)), "kgCO2e"
    if carbon_mg == 0 or abs(carbon_mg) >= 100:
        return rounded(Fraction(carbon_mg, 1000)), "gCO2e"
    return f"{carbon_mg}", "mgCO2e"


def power(watts: int) -> str:
    """A power with its unit."""
    for size, unit in ((1_000_000, "MW"), (1000, "kW")):
        if watts >= size:
            return f"{rounded(Fraction(watts, size))} {unit}"
    return f"{watts:,} W"


def device_hours(device_ms: int) -> str:
    """Device time [h]."""
    return rounded(Fraction(device_ms, 3_600_000))


def size(count_bytes: int) -> str:
    """A size with its binary unit."""
    for exponent, unit in ((40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")):
        if count_bytes >= 1 << exponent:
            return f"{rounded(Fraction(count_bytes, 1 << exponent))} {unit}"
    return f"{count_bytes:,} B"


def span(duration_ms: int) -> str:
    """A duration in its two largest units."""
    seconds = max(0, duration_ms) // 1000
    parts = [
        (seconds // 86_400, "d"),
        (seconds // 3600 % 24, "h"),
        (seconds // 60 % 60, "min"),
        (seconds % 60, "s"),
    ]
    first = next((place for place, (number, _) in enumerate(parts) if number), 3)
    return " ".join(f"{number} {unit}" for number, unit in parts[first : first + 2] if number or unit == "s")


def moment(at_ms: int, now_ms: int) -> str:
    """A moment in UTC: the time alone for today, with the day otherwise."""
    try:
        at = _EPOCH + timedelta(milliseconds=at_ms)
    except OverflowError:
        return f"{at_ms} ms"
    if at_ms // _DAY_MS == now_ms // _DAY_MS:
        return at.strftime("%H:%M:%S")
    return f"{at.day} {at:%b %Y, %H:%M}"


def iso(at_ms: int) -> str:
    """A moment as machines and tooltips have it."""
    try:
        return (_EPOCH + timedelta(milliseconds=at_ms)).strftime("%Y-%m-%dT%H:%M:%SZ")
    except OverflowError:
        return ""


def quantity(amount: int, resource: str) -> str:
    """A ledger quantity in the unit of its resource."""
    return device_hours(amount) if resource == "device_time" else f"{amount:,}"


def ratio(milli: int) -> str:
    """Thousandths as a number with two places or more."""
    return decimal(milli, 3, least_places=2)


def micro(millionths: int) -> str:
    """Millionths as a number with three places."""
    return decimal(round(Fraction(millionths, 1000)), 3)


def words(name: object) -> str:
    """A state or a resource as words."""
    return str(name).replace("_", " ")


def short(identifier: str) -> str:
    """An identifier cut for the eye; the whole stands in its tooltip."""
    return identifier if len(identifier) <= 18 else f"{identifier[:8]}…{identifier[-6:]}"
