"""Real time and chance; and a line of time that no clock's step moves."""

from pathlib import Path

import pytest

from bruk.assembly.clock import LINE_VARIABLE, Line, SystemClock, this_boot

HOUR_MS = 3_600_000


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


class Machine:
    """A machine's wall clock, which somebody sets, and its count since boot, which nobody can."""

    def __init__(self) -> None:
        self.wall_ms = 1_800_000_000_000
        self.since_boot_ms = 1000

    def passes(self, ms: int) -> None:
        self.wall_ms += ms
        self.since_boot_ms += ms

    def clock(self, line: Line | None = None) -> SystemClock:
        return SystemClock(line, wall_ms=lambda: self.wall_ms, since_boot_ms=lambda: self.since_boot_ms)


def test_a_clock_that_is_set_moves_no_time() -> None:
    machine = Machine()
    clock = machine.clock()
    for step_ms in (-HOUR_MS, 2 * HOUR_MS, -3 * HOUR_MS):
        before = clock.now_ms()
        machine.wall_ms += step_ms
        machine.passes(500)
        assert clock.now_ms() == before + 500
    assert clock.off_by_ms() == -2 * HOUR_MS


def test_processes_that_are_given_the_line_agree_whatever_the_clock_says_when_they_start() -> None:
    machine = Machine()
    first = machine.clock()
    machine.wall_ms -= HOUR_MS
    machine.passes(1234)
    second = machine.clock(Line.of_text(first.line.text(), this_boot()))
    assert second.now_ms() == first.now_ms()


@pytest.mark.parametrize("ahead_ms", [HOUR_MS, -HOUR_MS])
def test_a_start_goes_on_with_what_the_home_kept(tmp_path: Path, ahead_ms: int) -> None:
    now = SystemClock()
    kept = tmp_path / "clock.json"
    kept.write_text(Line(now.line.wall_ms + ahead_ms, now.line.since_boot_ms, this_boot()).text())
    clock = SystemClock.shared(file=kept)
    assert abs(clock.off_by_ms() + ahead_ms) < 1000
    clock.catch_up()
    assert abs(clock.off_by_ms() + max(ahead_ms, 0)) < 1000, "forward where nothing runs, never back"


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"wall_ms": "x", "since_boot_ms": 1, "boot_id": ""}', None]
)
def test_what_another_boot_or_a_damaged_file_says_counts_for_nothing(
    tmp_path: Path, content: str | None
) -> None:
    now = SystemClock()
    other = Line(now.line.wall_ms + HOUR_MS, now.line.since_boot_ms, "another boot").text()
    (tmp_path / "clock.json").write_text(other if content is None else content)
    assert abs(SystemClock.shared(file=tmp_path / "clock.json").off_by_ms()) < 1000
    assert abs(SystemClock.shared(file=tmp_path / "none").off_by_ms()) < 1000


def test_a_line_from_the_environment_is_taken_before_all() -> None:
    now = SystemClock()
    line = Line(now.line.wall_ms - HOUR_MS, now.line.since_boot_ms, this_boot())
    clock = SystemClock.shared({LINE_VARIABLE: line.text()})
    assert abs(clock.off_by_ms() - HOUR_MS) < 1000


def test_time_does_not_begin_before_what_was_recorded() -> None:
    machine = Machine()
    clock = machine.clock()
    clock.not_before(machine.wall_ms + HOUR_MS)
    assert clock.now_ms() == machine.wall_ms + HOUR_MS
    clock.not_before(machine.wall_ms)
    assert clock.now_ms() == machine.wall_ms + HOUR_MS
