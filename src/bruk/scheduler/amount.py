"""How this room writes money and time in sentences."""


def euros(amount_microeur: int) -> str:
    """An amount with six decimals, such as ``12.500000 EUR``."""
    sign = "-" if amount_microeur < 0 else ""
    whole, part = divmod(abs(amount_microeur), 1_000_000)
    return f"{sign}{whole}.{part:06d} EUR"


def count(number: int, noun: str) -> str:
    """A number with its noun, such as ``1 node`` or ``3 nodes``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
