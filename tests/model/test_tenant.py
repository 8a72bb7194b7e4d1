"""Limits as people read them."""

from bruk.model.tenant import RateLimits


def test_limits_say_themselves_and_are_nothing_without_any() -> None:
    assert not RateLimits()
    assert str(RateLimits()) == "none"
    assert str(RateLimits(1200, None, 0)) == "1,200 requests a minute, 0 requests at once"
