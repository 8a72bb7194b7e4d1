"""Use that fades: what counts for fair share between tenants."""

# A week, as Slurm's PriorityDecayHalfLife is set by default.
HALF_LIFE_MS = 7 * 24 * 3_600_000


def decayed(amount: int, elapsed_ms: int, half_life_ms: int = HALF_LIFE_MS) -> int:
    """What is left of ``amount`` after ``elapsed_ms`` [ms]: amount * 2^(-elapsed / half-life)."""
    if elapsed_ms <= 0:
        return amount
    return int(amount * 0.5 ** (elapsed_ms / half_life_ms))
