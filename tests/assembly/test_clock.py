"""Real time and chance."""

from bruk.assembly.clock import SystemClock


def test_identifiers_sort_by_time_and_differ() -> None:
    clock = SystemClock()
    made = [clock.new_id("job") for _ in range(1000)]
    assert len(set(made)) == 1000
    stems = [item[: len("job_") + 11] for item in made]
    assert stems == sorted(stems)


def test_secrets_have_enough_chance_and_differ() -> None:
    clock = SystemClock()
    made = {clock.secret() for _ in range(1000)}
    assert len(made) == 1000
    # 43 characters of the URL-safe alphabet carry 256 bits.
    assert min(len(item) for item in made) >= 43


def test_both_times_go_forward() -> None:
    clock = SystemClock()
    wall, steady = clock.now_ms(), clock.monotonic_ms()
    assert clock.now_ms() >= wall > 1_700_000_000_000
    assert clock.monotonic_ms() >= steady
