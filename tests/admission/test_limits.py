"""Rates driven by passed time: never more in any window than the limit allows."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bruk.admission import Limiter, RateLimited
from bruk.model.tenant import RateLimits

MINUTE_MS = 60_000


def limited(**limits):
    limiter = Limiter()
    limiter.allow("key", RateLimits(**limits), 0)
    return limiter


def test_a_burst_of_a_minutes_worth_and_then_evenly():
    limiter = limited(requests_per_minute=60)
    for index in range(60):
        limiter.begin(f"r{index}", ("key",), 1, 0)
    with pytest.raises(RateLimited, match="60 requests a minute") as error:
        limiter.begin("late", ("key",), 1, 1)
    assert error.value.retry_after_ms == 999
    limiter.begin("late", ("key",), 1, 1000)


@given(
    st.integers(1, 50),
    st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 30)), max_size=60),
)
def test_no_minute_sees_more_than_twice_the_limit_and_the_long_run_no_more_than_the_rate(limit, steps):
    limiter = limited(tokens_per_minute=limit)
    now_ms, used = 0, []
    for index, (passed_ms, tokens) in enumerate(steps):
        now_ms += passed_ms
        try:
            limiter.begin(f"r{index}", ("key",), tokens, now_ms)
        except RateLimited:
            continue
        limiter.end(f"r{index}", tokens, now_ms)
        used.append((now_ms, tokens))
    for start_ms, _ in used:
        window = [tokens for at_ms, tokens in used if start_ms <= at_ms < start_ms + MINUTE_MS]
        assert sum(window) <= 2 * limit
    assert sum(tokens for _, tokens in used) * MINUTE_MS <= limit * (MINUTE_MS + now_ms)


@given(st.integers(1, 1000), st.integers(1, 1000), st.integers(0, 100_000))
def test_waiting_as_told_is_enough_and_a_millisecond_less_is_not(limit, tokens, at_ms):
    limiter = limited(tokens_per_minute=limit)
    limiter.begin("first", ("key",), limit, 0)
    limiter.end("first", limit, 0)
    try:
        limiter.begin("next", ("key",), tokens, at_ms)
    except RateLimited as error:
        wait_ms = error.retry_after_ms
        if wait_ms is None:
            assert tokens > limit
            return
        with pytest.raises(RateLimited):
            limiter.begin("next", ("key",), tokens, at_ms + wait_ms - 1)
        limiter.begin("next", ("key",), tokens, at_ms + wait_ms)


def test_unused_tokens_come_back_and_excess_is_taken_later():
    limiter = limited(tokens_per_minute=100)
    limiter.begin("a", ("key",), 100, 0)
    limiter.end("a", 20, 0)
    limiter.begin("b", ("key",), 80, 0)
    limiter.end("b", 140, 0)
    with pytest.raises(RateLimited) as error:
        limiter.begin("c", ("key",), 40, 0)
    assert error.value.retry_after_ms == MINUTE_MS


def test_concurrency_is_freed_by_the_end_and_ends_once():
    limiter = limited(concurrent=2)
    limiter.begin("a", ("key",), 1, 0)
    limiter.begin("a", ("key",), 1, 0)
    limiter.begin("b", ("key",), 1, 0)
    with pytest.raises(RateLimited, match="2 requests running"):
        limiter.begin("c", ("key",), 1, 0)
    limiter.end("a", 1, 0)
    limiter.end("a", 1, 0)
    assert limiter.running("key") == 1
    limiter.begin("c", ("key",), 1, 0)


def test_a_refusal_by_the_project_takes_nothing_from_the_key():
    limiter = limited(requests_per_minute=2)
    limiter.allow("project", RateLimits(tokens_per_minute=10), 0)
    for _ in range(5):
        with pytest.raises(RateLimited, match="project"):
            limiter.begin("big", ("key", "project"), 11, 0)
    limiter.begin("a", ("key", "project"), 5, 0)
    limiter.begin("b", ("key", "project"), 5, 0)
    with pytest.raises(RateLimited, match="key"):
        limiter.begin("c", ("key", "project"), 0, 0)


def test_a_clock_that_steps_back_gives_nothing_away():
    limiter = limited(requests_per_minute=1)
    limiter.begin("a", ("key",), 1, 100_000)
    for now_ms in (50_000, 100_000, 159_999):
        with pytest.raises(RateLimited):
            limiter.begin("b", ("key",), 1, now_ms)
    limiter.begin("b", ("key",), 1, 160_000)


def test_setting_the_same_limits_again_refills_nothing():
    limiter = limited(requests_per_minute=1)
    limiter.begin("a", ("key",), 1, 0)
    limiter.allow("key", RateLimits(requests_per_minute=1), 0)
    with pytest.raises(RateLimited):
        limiter.begin("b", ("key",), 1, 0)


def test_nobody_elses_limit_counts():
    limiter = limited(requests_per_minute=0)
    limiter.begin("a", ("other",), 10**9, 0)
    with pytest.raises(RateLimited, match="never") as error:
        limiter.begin("b", ("key",), 1, 0)
    assert error.value.retry_after_ms is None


def test_another_rate_goes_on_from_what_was_left():
    limiter = limited(requests_per_minute=4)
    for name in "abc":
        limiter.begin(name, ("key",), 1, 0)
    limiter.allow("key", RateLimits(requests_per_minute=100), 0)
    limiter.begin("d", ("key",), 1, 0)
    with pytest.raises(RateLimited):
        limiter.begin("e", ("key",), 1, 0)
    limiter.allow("key", RateLimits(requests_per_minute=1), MINUTE_MS)
    limiter.begin("e", ("key",), 1, MINUTE_MS)
    with pytest.raises(RateLimited):
        limiter.begin("f", ("key",), 1, MINUTE_MS)


def test_who_is_not_named_any_more_is_not_limited_and_what_runs_is_still_counted():
    limiter = limited(concurrent=1)
    limiter.begin("a", ("key",), 1, 0)
    limiter.allow_only({"other": RateLimits(concurrent=1)}, 0)
    limiter.begin("b", ("key",), 1, 0)
    limiter.allow_only({"key": RateLimits(concurrent=2)}, 0)
    assert limiter.running("key") == 2
    limiter.end("a", 1, 0)
    limiter.allow_only({}, 0)
    limiter.end("b", 1, 0)
    limiter.allow_only({}, 0)
    assert limiter.running("key") == 0


def test_what_is_left_is_that_of_the_tightest():
    limiter = limited(requests_per_minute=60, tokens_per_minute=600)
    limiter.allow("project", RateLimits(requests_per_minute=6000), 0)
    limiter.begin("a", ("key", "project"), 100, 0)
    left = limiter.standing(("key", "project"), 0)
    assert (left["requests"].per_minute, left["requests"].left, left["requests"].full_in_ms) == (60, 59, 1000)
    assert (left["tokens"].left, left["tokens"].full_in_ms) == (500, 10_000)
    assert limiter.standing(("nobody",), 0) == {}
