"""Chance from a seed never changes."""

from collections import Counter

from bruk.twin.chance import SeededChance


def test_the_draws_of_a_seed_are_these():
    chance = SeededChance(42)
    assert [chance.below(1_000) for _ in range(6)] == [323, 219, 186, 835, 764, 100]
    assert SeededChance(42).shuffled(range(8)) == [5, 7, 0, 3, 4, 6, 1, 2]


def test_another_seed_draws_otherwise():
    assert SeededChance(43).shuffled(range(50)) != SeededChance(42).shuffled(range(50))


def test_all_orders_come_and_none_too_often():
    chance = SeededChance(1)
    orders = Counter(tuple(chance.shuffled("abc")) for _ in range(6_000))
    assert len(orders) == 6
    assert all(850 < count < 1_150 for count in orders.values())
