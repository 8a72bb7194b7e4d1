"""A control that was restored from a backup knows less than its agents: nothing is lost or done twice."""

from bruk.engines.mock import Behaviour
from bruk.model.run import Observed

from .conftest import SiteUnderTest, order


def _set_back(site: SiteUnderTest, seq: int) -> None:
    """Control as it was when it had usage up to a number."""
    site.control.meters = {number: item for number, item in site.control.meters.items() if number <= seq}
    site.control.acknowledged_seq = seq


def _worked(site: SiteUnderTest) -> list[object]:
    """A run of 30 s, all of whose usage control has."""
    site.world.behave = lambda launch: Behaviour(ends_after_ms=30_000)
    site.control.want(order())
    site.exchange()
    for _ in range(35):
        site.exchange(advance_ms=1000)
    site.exchange()
    whole = [site.control.meters[seq] for seq in sorted(site.control.meters)]
    assert whole[-1].to_ms - whole[0].from_ms == 30_000
    return whole


def test_usage_that_control_had_and_has_no_more_is_handed_over_again(site: SiteUnderTest) -> None:
    whole = _worked(site)
    _set_back(site, 2)
    site.exchange()
    site.exchange()
    assert [site.control.meters[seq] for seq in sorted(site.control.meters)] == whole
    assert site.report().meters == []


def test_it_is_so_after_a_restart_of_the_agent_too(site: SiteUnderTest) -> None:
    whole = _worked(site)
    site.restart()
    _set_back(site, 0)
    site.exchange()
    site.exchange()
    assert [site.control.meters[seq] for seq in sorted(site.control.meters)] == whole


def test_the_agent_says_on_what_its_usage_follows(site: SiteUnderTest) -> None:
    _worked(site)
    last = max(site.control.meters)
    assert site.report().meters_after == last
    _set_back(site, 2)
    site.exchange()
    assert site.report().meters_after == 2
    assert [record.seq for record in site.report().meters] == list(range(3, last + 1))


def test_a_run_that_control_saw_alive_and_the_agent_does_not_know_is_lost_and_not_started(
    site: SiteUnderTest,
) -> None:
    site.control.want(order(started=True))
    for _ in range(3):
        site.exchange(advance_ms=1000)
    assert site.world.launched == []
    seen = site.seen()
    assert seen.observed is Observed.LOST
    assert "does not know" in seen.detail
