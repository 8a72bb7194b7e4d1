"""What is learnt of the mix, and when it is used."""

import itertools

from bruk.scheduler.fleet import Shape
from bruk.scheduler.fleet.mix import EVERY_ARRIVALS, FIRST_ARRIVALS, HALF_LIFE_ARRIVALS, Mix

A, B = Shape(1, 0, 1), Shape(2, 0, 1)


def test_shares_follow_what_arrived():
    mix = Mix()
    for shape in (A, A, A, B):
        mix.arrived(shape)
    shares = mix.shares()
    assert abs(shares[A] - 0.75) < 0.001
    assert abs(sum(shares.values()) - 1) < 1e-12


def test_nothing_is_known_of_nothing():
    assert Mix().shares() == {}


def test_half_is_forgotten_after_the_half_life():
    mix = Mix()
    for shape in [A] * HALF_LIFE_ARRIVALS * 8 + [B] * HALF_LIFE_ARRIVALS:
        mix.arrived(shape)
        mix.due()
    assert abs(mix.shares()[A] - 0.5) < 0.01


def test_tables_are_renewed_often_at_first_and_then_steadily():
    mix = Mix()
    moments = []
    for arrival in range(1, 6 * EVERY_ARRIVALS):
        mix.arrived(A)
        if mix.due():
            moments.append(arrival)
    assert moments[:3] == [FIRST_ARRIVALS, 2 * FIRST_ARRIVALS, 4 * FIRST_ARRIVALS]
    gaps = [later - earlier for earlier, later in itertools.pairwise(moments)]
    assert gaps == sorted(gaps)
    assert max(gaps) == EVERY_ARRIVALS


def test_what_is_not_seen_any_more_goes():
    mix = Mix()
    mix.arrived(A)
    for _ in range(20 * HALF_LIFE_ARRIVALS):
        mix.arrived(B)
        mix.due()
    assert set(mix.shares()) == {B}
