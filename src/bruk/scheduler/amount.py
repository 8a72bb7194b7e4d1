"""How this room writes money and time in sentences."""

from datetime import UTC, datetime


def euros(amount_microeur: int) -> str:
    """An amount with six decimals, such as ``12.500000 EUR``."""
    sign = "-" if amount_microeur < 0 else ""
    whole, part = divmod(abs(amount_microeur), 1_000_000)
    return f"{sign}{whole}.{part:06d} EUR"


def count(number: int, noun: str) -> str:
    """A number with its noun, such as ``1 node`` or ``3 nodes``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def instant(at_ms: int) -> str:
    """An instant to the minute, such as ``2026-11-28 02:00 UTC``."""
    return datetime.fromtimestamp(at_ms // 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")


def watts(power_uw: int) -> str:
    """A power given in millionths of a watt, to the watt, rounded up, such as ``700 W``."""
    return f"{-(-power_uw // 1_000_000)} W"


def device_time(device_ms: int) -> str:
    """Device time to the millisecond, such as ``2 h``, ``1 h 30 min`` or ``0.250 s``."""
    seconds, ms = divmod(device_ms, 1000)
    parts = [(seconds // 3600, "h"), (seconds // 60 % 60, "min")]
    said = [f"{number} {unit}" for number, unit in parts if number]
    if seconds % 60 or ms or not said:
        said.append(f"{seconds % 60}.{ms:03d} s" if ms else f"{seconds % 60} s")
    return " ".join(said)
