"""A clock that is set at the site: a lease is neither without end nor over at once."""

import pytest

from bruk.agent.standing import Standing


def test_a_word_from_the_future_counts_for_nothing() -> None:
    heard = Standing(lease_ms=60_000, heard_at_ms=10_000_000)
    assert not heard.lease_ended(10_030_000)
    assert heard.lease_ended(10_061_000)
    assert not heard.lease_ended(9_999_999), "two threads may read the clock in another order"
    assert heard.lease_ended(10_000_000 - 3_600_000), "an hour back: it would never end"


@pytest.mark.parametrize("heard_at_ms", [0, 1])
def test_one_who_has_heard_nothing_has_no_lease(heard_at_ms: int) -> None:
    assert Standing(heard_at_ms=heard_at_ms).lease_ended(1_800_000_000_000)
