"""Use is contiguous, never twice, and never more than the wall allows."""

import itertools
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.agent.conftest import SETTINGS, SITE, Control, SiteUnderTest, order

from bruk.agent.energy import MachineEnergy
from bruk.engines.base import Status
from bruk.engines.meter import Energy, MeterReading
from bruk.engines.mock import Behaviour, MockWorld
from bruk.journal import Journal, JournalFull
from bruk.model.clock import ManualClock
from bruk.model.run import DeviceSet, Observed
from bruk.wire.agent import MeterRecord

BOTH = [DeviceSet("node-1", (0, 1))]


def told(site: SiteUnderTest) -> list[MeterRecord]:
    return [site.control.meters[seq] for seq in sorted(site.control.meters)]


def check_contiguous(records: list[MeterRecord], devices: int) -> None:
    for before, after in itertools.pairwise(records):
        assert after.from_ms == before.to_ms
    for record in records:
        assert record.from_ms < record.to_ms
        assert record.device_ms == devices * (record.to_ms - record.from_ms)


def test_a_whole_life_is_metered_by_the_engines_times(site: SiteUnderTest) -> None:
    site.world.behave = lambda launch: Behaviour(ends_after_ms=12_345)
    site.control.want(order(placement=BOTH))
    site.exchange()
    started = site.clock.now_ms()
    for _ in range(20):
        site.exchange(advance_ms=1000)
    records = told(site)
    check_contiguous(records, devices=2)
    assert (records[0].from_ms, records[-1].to_ms) == (started, started + 12_345)
    assert [record.to_ms - record.from_ms for record in records[:2]] == [5000, 5000]
    assert all(record.it_energy_j is None for record in records)


step = st.tuples(
    st.sampled_from(["drive", "exchange", "restart", "away", "back", "resend"]), st.integers(0, 9000)
)


@settings(max_examples=60, deadline=None)
@given(steps=st.lists(step, max_size=25), life_ms=st.integers(1, 60_000))
def test_use_is_contiguous_whatever_happens(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]], life_ms: int
) -> None:
    world = MockWorld(behave=lambda launch: Behaviour(ends_after_ms=life_ms))
    site = SiteUnderTest(tmp_path_factory.mktemp("site") / SITE, ManualClock(), Control(), world)
    try:
        site.control.want(order(placement=BOTH))
        site.exchange()
        started = site.clock.now_ms()
        for act, ms in steps:
            match act:
                case "restart":
                    site.restart()
                case "away" | "back":
                    site.control.away = act == "away"
                case "resend":
                    # The answer to this one is lost, so the next says the same again.
                    site.control.answer(site.report())
            if act == "exchange":
                site.exchange(advance_ms=ms)
            else:
                site.drive(ms)
        site.control.away = False
        site.drive(life_ms + 1)
        for _ in range(3):
            site.exchange(advance_ms=1)
        records = told(site)
        check_contiguous(records, devices=2)
        assert (records[0].from_ms, records[-1].to_ms) == (started, started + life_ms)
        assert site.seen().observed is Observed.EXITED
    finally:
        site.restart()


def test_what_is_acknowledged_is_sent_no_more(site: SiteUnderTest) -> None:
    site.control.want(order())
    site.exchange()
    assert len(site.exchange(advance_ms=6000).meters) == 0
    assert len(site.exchange().meters) == 1
    assert site.exchange().meters == []


def test_a_control_that_claims_too_much_is_not_believed(site: SiteUnderTest) -> None:
    site.control.acknowledged_seq = 10**9
    site.control.want(order())
    site.exchange()
    site.exchange(advance_ms=6000)
    assert len(site.exchange(advance_ms=6000).meters) == 1, "the first was never sent, so it is sent now"
    assert len(told(site)) == 1


def test_control_that_knows_more_is_not_billed_twice(site: SiteUnderTest) -> None:
    site.control.want(order())
    site.exchange()
    ahead = site.clock.now_ms() + 20_000
    site.control.want(order(generation=2, metered_until_ms=ahead))
    site.exchange()
    site.drive(10_000)
    site.drive(20_000)
    site.exchange()
    assert told(site)[0].from_ms == ahead


def test_the_end_waits_until_the_use_is_written_down(
    site: SiteUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.world.behave = lambda launch: Behaviour(ends_after_ms=1000)
    site.control.want(order())
    site.exchange()

    def refuse(journal: Journal, payload: bytes) -> int:
        raise JournalFull("the disk is full")

    with monkeypatch.context() as full:
        full.setattr(Journal, "append_durable_sync", refuse)
        site.drive(2000)
        assert site.seen().observed is Observed.RUNNING
    site.drive(1000)
    assert site.seen().observed is Observed.EXITED
    assert site.report().meters[-1].device_ms == 1000


class Counter:
    """A machine's meter whose sources rise at set rates by the clock."""

    def __init__(self, clock: ManualClock, watts: dict[str, int]) -> None:
        self._clock, self._watts, self._start_ms = clock, watts, clock.now_ms()
        self.away = False

    def read(self) -> MeterReading | None:
        if self.away:
            return None
        passed_ms = self._clock.now_ms() - self._start_ms
        sources = tuple(Energy(kind, watts * passed_ms, "counter") for kind, watts in self._watts.items())
        return MeterReading(self._clock.now_ms(), sources)


def status(clock: ManualClock, cpu_ms: int = 0, devices: tuple[int, ...] = (0,)) -> Status:
    placement = (DeviceSet("node-1", devices),)
    return Status("h", "run_1", 1, Observed.RUNNING, cpu_ms=cpu_ms, placement=placement)


def test_a_board_that_is_one_runs_own_is_measured() -> None:
    clock = ManualClock()
    reader = MachineEnergy(Counter(clock, {"gpu:0": 300, "gpu:1": 400}), clock, {"node-1": "h100-sxm"})
    start = clock.now_ms()
    reader.begin(status(clock), start)
    clock.advance(5000)
    found = reader.energy(status(clock, devices=(0, 1)), start, start + 5000)
    assert found is not None
    assert (found.it_energy_j, found.quality) == (3500, "measured")


def test_a_package_is_shared_by_processor_time_and_loses_no_joule() -> None:
    clock = ManualClock()
    reader = MachineEnergy(Counter(clock, {"package:0": 33}), clock, {"node-1": "cpu-slot"}, cores=4)
    start = clock.now_ms()
    reader.begin(status(clock), start)
    total = 0
    for index in range(1, 101):
        clock.advance(1000)
        found = reader.energy(
            status(clock, cpu_ms=index * 1000), start + (index - 1) * 1000, start + index * 1000
        )
        assert found is not None
        assert found.quality == "shared"
        total += found.it_energy_j
    assert total == 33 * 100 // 4


def test_where_no_meter_answers_or_the_beginning_was_not_seen_nothing_is_claimed() -> None:
    clock = ManualClock()
    counter = Counter(clock, {"package:0": 100})
    reader = MachineEnergy(counter, clock, {"node-1": "cpu-slot"}, cores=1)
    start = clock.now_ms()
    assert reader.energy(status(clock), start, start + 1000) is None
    clock.advance(2000)
    assert reader.energy(status(clock), start + 1500, start + 2000) is None, "a gap is not filled"
    counter.away = True
    clock.advance(2000)
    assert reader.energy(status(clock), start + 2000, start + 4000) is None
    boards = MachineEnergy(Counter(clock, {"package:0": 100}), clock, {"node-1": "h100-sxm"})
    boards.begin(status(clock), start)
    clock.advance(2000)
    assert boards.energy(status(clock), start, start + 2000) is None


def test_energy_reaches_the_records(site: SiteUnderTest, tmp_path: Path) -> None:
    site.energy = MachineEnergy(Counter(site.clock, {"gpu:0": 200}), site.clock, {"node-1": "h100-sxm"})
    site.control.want(order())
    site.exchange()
    site.drive()
    site.exchange(advance_ms=5000)
    site.exchange()
    assert (told(site)[0].it_energy_j, told(site)[0].quality) == (1000, "measured")
    assert SETTINGS.meter_ms == 5000
