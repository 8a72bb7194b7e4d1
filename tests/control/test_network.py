"""A job that declares destinations waits, with the reason, until a site takes it; that is audited."""

import pytest
from pydantic import ValidationError

from bruk.control.jobs import view
from bruk.model.reason import Reason, ReasonCode
from bruk.model.site import Isolation
from bruk.model.workload import Workload
from bruk.store import places, records

from .world import World


def _reason(world: World, job: Workload) -> Reason:
    world.step()
    found = view(world.control, world.operator, job.id).waiting_for
    assert found is not None
    assert world.runs(job) == []
    return found


def _allow(world: World, site: str, *rules: str, isolation: Isolation = Isolation.SANDBOX) -> None:
    world.sites[site].network = list(rules)
    world.sites[site].sync(isolation=isolation)


def test_the_operator_is_warned_before_jobs_may_reach_the_site_itself(world: World) -> None:
    for near in ("127.0.0.1:8610", "10.1.2.3:443"):
        advice = _reason(world, world.submit(network=[near, "pypi.org:443"], sites=["essonne"])).advice
        assert f"Operators, beware: {near} is " in advice
    assert "beware" not in _reason(world, world.submit(network=["pypi.org:443"], sites=["essonne"])).advice


def test_a_job_waits_until_a_site_lets_it_reach_what_it_declares(world: World) -> None:
    job = world.submit(network=["pypi.org:443", "data.example:443"], sites=["essonne"])
    reason = _reason(world, job)
    assert reason.code is ReasonCode.NETWORK
    assert "lets no job reach pypi.org:443, data.example:443" in reason.summary
    assert "BRUK_EGRESS" in reason.advice
    _allow(world, "essonne", "*.org:443", "pypi.org:443")
    assert "lets no job reach data.example:443" in _reason(world, job).summary
    _allow(world, "borlange", "pypi.org:443", "data.example:443")
    assert _reason(world, job).code is ReasonCode.NETWORK
    _allow(world, "essonne", "pypi.org:*", "data.example:443")
    world.step()
    assert world.run_of(job).site == "essonne"


@pytest.mark.parametrize("isolation", [Isolation.NONE, Isolation.USER])
def test_without_sandboxes_a_site_takes_no_job_that_declares(world: World, isolation: Isolation) -> None:
    _allow(world, "essonne", "pypi.org:443", isolation=isolation)
    job = world.submit(network=["pypi.org:443"], sites=["essonne"])
    reason = _reason(world, job)
    assert reason.code is ReasonCode.NETWORK
    assert "nothing there would keep its run to them" in reason.summary
    plain = world.submit(sites=["essonne"])
    world.step()
    assert world.run_of(plain).site == "essonne"


def test_what_a_site_allows_is_audited_as_it_changes(world: World) -> None:
    _allow(world, "essonne", "pypi.org:443")
    _allow(world, "essonne", "pypi.org:443")
    _allow(world, "essonne")
    with world.control.read() as connection:
        said = [
            (entry.actor_id, entry.target, entry.detail)
            for entry in records.audit_entries(connection)
            if entry.action == "site.network"
        ]
        assert places.get_site(connection, "essonne").network == ()
    assert said == [
        ("essonne", "essonne", {"before": "", "after": "pypi.org:443"}),
        ("essonne", "essonne", {"before": "pypi.org:443", "after": ""}),
    ]


@pytest.mark.parametrize("said", [["*:443"], ["pypi.org"], ["x" * 400 + ":1"], [1], "pypi.org:443"])
def test_an_agent_cannot_allow_what_is_none(world: World, said: object) -> None:
    with pytest.raises(ValidationError):
        world.sites["essonne"].request(network=said)
