"""Amounts of money as people read them."""


def euros(amount_microeur: int) -> str:
    """An amount with all six decimals, such as ``12.500000 EUR``; exact."""
    sign = "-" if amount_microeur < 0 else ""
    whole, part = divmod(abs(amount_microeur), 1_000_000)
    return f"{sign}{whole}.{part:06d} EUR"
