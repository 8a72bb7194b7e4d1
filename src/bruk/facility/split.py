"""Exact sharing of an integer: the parts add up to the whole, to the last unit.

It never loses or invents a unit. Energy, carbon and money shared among runs go through here.
"""

from collections.abc import Mapping, Sequence


def split(total: int, weights: Sequence[int]) -> tuple[int, ...]:
    """Parts of a whole in proportion to weights, by the largest remainder.

    Each part is its exact share rounded down or up by less than one unit. Left-over units go to the largest
    remainders; among equal remainders the earlier part wins, so that the result is a function of its input.
    Where every weight is zero nothing speaks for one part more than another, and all weigh the same.
    Source: the method of Hamilton, see Balinski and Young, "Fair Representation" (1982).

    Args:
        total: what is shared, negative for a credit.
        weights: one weight of zero or more for each part, at least one.

    Returns:
        one part for each weight, adding up to `total`.
    """
    assert weights, "nothing to share among"
    assert all(weight >= 0 for weight in weights), "a weight is zero or more"
    if total < 0:
        return tuple(-part for part in split(-total, weights))
    effective = list(weights) if any(weights) else [1] * len(weights)
    whole = sum(effective)
    parts = [total * weight // whole for weight in effective]
    remainders = [total * weight % whole for weight in effective]
    left = total - sum(parts)
    for index in sorted(range(len(parts)), key=lambda i: (-remainders[i], i))[:left]:
        parts[index] += 1
    return tuple(parts)


def split_by_name(total: int, weights: Mapping[str, int]) -> dict[str, int]:
    """Like `split`, for named parts; ties go to the smaller name whatever the order of the mapping.

    Args:
        total: what is shared, negative for a credit.
        weights: the weight of each part by its name, at least one.

    Returns:
        the part of each name, in the order of the names, adding up to `total`.
    """
    names = sorted(weights)
    return dict(zip(names, split(total, [weights[name] for name in names]), strict=True))
