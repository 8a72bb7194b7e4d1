"""What an agent says: late, repeated, foreign and impossible words change nothing they should not."""

import math
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bruk.control import agents, jobs
from bruk.model.errors import Forbidden, InvalidInput
from bruk.model.run import Observed
from bruk.model.transitions import OBSERVED
from bruk.wire.agent import NodeReport, Observation

from .world import World


def _observation(run: str, observed: Observed, **more: Any) -> Observation:
    return Observation(**{"run": run, "generation": 1, "observed": observed, **more})


def test_a_token_speaks_for_its_own_site(world: World) -> None:
    site = world.sites["essonne"]
    before = world.dump()
    with pytest.raises(Forbidden, match="borlange"):
        agents.receive(world.control, world.sites["borlange"].actor, site.request())
    assert world.changed(before) == set()


def test_a_run_of_another_site_is_not_an_agents_to_speak_of(world: World) -> None:
    job, run, _ = world.running(sites=["essonne"])
    other = world.sites["borlange"]
    other.sync(observations=[_observation(run.id, Observed.EXITED, exit_code=0)])
    other.meter(run.id, run.created_at_ms, world.clock.now_ms() + 1000)
    world.clock.advance(1000)
    other.sync()
    assert world.run_of(job).observed == "running"
    assert world.dump()["ledger"] == []
    assert run.id not in other.orders


def test_the_same_words_again_change_nothing(world: World) -> None:
    _, _run, site = world.running()
    site.sync()
    request = site.request()
    before = world.dump()
    assert agents.receive(world.control, site.actor, request) is False
    assert world.changed(before) == set()


def test_text_that_no_database_keeps_does_not_hold_up_the_site(world: World) -> None:
    job, run, site = world.running()
    site.end(run.id, 1, detail="it said \0 and \ud800, at " + "great length " * 1000)
    world.step()
    assert world.run_of(job).detail.startswith("it said \ufffd and ?, at great")
    assert world.workload(job).outcome == "failed"


def test_late_words_change_nothing(world: World) -> None:
    job, run, site = world.running()
    site.end(run.id, 0)
    site.sync(observations=[_observation(run.id, Observed.RUNNING)])
    assert world.run_of(job).observed == "exited"
    world.step()
    site.sync(observations=[_observation(run.id, Observed.EXITED, exit_code=1)])
    assert (world.run_of(job).exit_code, world.workload(job).outcome) == (0, "succeeded")


@pytest.mark.parametrize("generation", [2, 99, 0, -1])
def test_words_of_a_generation_that_never_was_change_nothing(world: World, generation: int) -> None:
    job, run, site = world.running()
    site.sync(observations=[_observation(run.id, Observed.EXITED, exit_code=0, generation=generation)])
    assert world.run_of(job).observed == "running"


def test_words_of_a_run_that_never_was_change_nothing(world: World) -> None:
    site = world.sites["essonne"]
    before = world.dump()
    site.sync(observations=[_observation("run_none", Observed.RUNNING)])
    assert world.changed(before) == set()


@pytest.mark.parametrize(
    "said",
    [
        {"exit_code": 10**30},
        {"exit_code": -(10**30)},
        {"started_at_ms": 10**30, "ended_at_ms": -(10**30)},
        {"resumed_from_step": 10**30},
        {"detail": "x" * 10**6, "software": "y" * 10**6, "address": "z" * 10**6},
        {"progress": {"loss": math.nan, "step": 10**400, "text": "\0"}},
        {"progress": {"loss": math.inf}},
    ],
)
def test_nothing_that_a_run_reports_stops_the_exchange(world: World, said: dict[str, Any]) -> None:
    job, run, site = world.running()
    site.sync(observations=[_observation(run.id, Observed.EXITED, **said)])
    world.step()
    shown = jobs.view(world.control, world.person("acme", "member"), job.id)
    assert shown.runs[0].observed == "exited"
    assert 0 <= (shown.runs[0].exit_code or 0) <= 255
    if shown.progress:
        assert shown.progress["loss"] is None


def test_an_inventory_that_cannot_be_is_refused_whole(world: World) -> None:
    site = world.sites["essonne"]
    node = site.request().nodes[0]
    before = world.dump()
    with pytest.raises(InvalidInput, match="same name"):
        site.sync(nodes=[node, node])
    assert world.changed(before) == set()


def test_an_accelerator_that_the_table_does_not_know_is_metered_all_the_same(world: World) -> None:
    site = world.sites["essonne"]
    site.accelerator = "nvidia-geforce-rtx-4090"
    site.sync()
    _job, run, _ = world.running(sites=["essonne"])
    world.clock.advance(10_000)
    site.meter(run.id, run.created_at_ms, world.clock.now_ms())
    site.sync()
    (row,) = world.dump()["ledger"]
    assert any("is not in the accelerator table" in str(item) for item in row)
    assert site.unsent == []


def test_a_drained_node_stays_drained_and_gets_nothing(world: World) -> None:
    from bruk.control import sites

    for index in range(2):
        sites.drain(world.control, world.operator, "essonne", f"essonne-{index}", True)
    world.sites["essonne"].sync()
    job = world.submit("lumen/lab")
    world.step()
    assert world.runs(job) == []
    sites.drain(world.control, world.operator, "essonne", "essonne-0", False)
    world.step()
    assert world.run_of(job).placement[0].node == "essonne-0"


def test_nothing_is_placed_at_a_site_that_is_away(world: World) -> None:
    world.clock.advance(60_001)
    world.sites["borlange"].sync()
    job, other = world.submit("lumen/lab"), world.submit("nordic/lab")
    world.step()
    assert world.runs(job) == []
    assert len(world.runs(other)) == 1
    reason = jobs.view(world.control, world.operator, job.id).waiting_for
    assert reason is not None
    assert reason.code == "site_away"


def test_a_smaller_inventory_is_taken_as_it_is(world: World) -> None:
    site = world.sites["essonne"]
    site.sync(nodes=[])
    job = world.submit("lumen/lab")
    world.step()
    assert world.runs(job) == []
    site.sync()
    world.step()
    assert len(world.runs(job)) == 1


def test_a_node_of_odd_size_is_no_defect(world: World) -> None:
    report = NodeReport(name="n", pool="p", accelerator="h100-sxm", devices=0, cpu_milli=0, memory_bytes=0)
    world.sites["essonne"].sync(nodes=[report])
    job = world.submit("lumen/lab")
    world.step()
    assert world.runs(job) == []


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    st.lists(
        st.tuples(
            st.sampled_from(list(Observed)),
            st.sampled_from([1, 1, 1, 2, 3]),
            st.sampled_from([None, 0, 1, 143]),
            st.booleans(),
            st.sampled_from(["observe", "step", "cancel", "off"]),
        ),
        max_size=12,
    )
)
def test_in_whatever_order_words_arrive_states_follow_the_table(
    template: Any, tmp_path_factory: pytest.TempPathFactory, words: list[tuple[Any, ...]]
) -> None:
    world = World(tmp_path_factory.mktemp("order"), template)
    try:
        job = world.submit(retry_limit=1)
        world.step()
        run_id = world.run_of(job).id
        site = world.sites[world.run_of(job).site]
        before = world.run_of(job)
        for observed, generation, exit_code, interrupted, act in words:
            if act == "step":
                world.step()
            elif act == "cancel" and world.workload(job).outcome == "open":
                jobs.cancel(world.control, world.operator, job.id)
            said = _observation(
                run_id,
                observed,
                generation=generation,
                exit_code=exit_code,
                interrupted=interrupted,
                ready=True,
                address="http://127.0.0.1:1",
            )
            site.sync(observations=[said])
            after = next(run for run in world.runs(job) if run.id == run_id)
            assert after.observed is before.observed or after.observed in OBSERVED[before.observed]
            assert after.generation in (before.generation, before.generation + 1)
            assert after.ended == (after.ended_at_ms is not None)
            before = after
        world.step()
        outcome = world.workload(job).outcome
        assert outcome in ("open", "succeeded", "failed", "cancelled")
        unfinished = [run for run in world.runs(job) if not run.ended]
        assert len(unfinished) <= 1
        assert outcome == "open" or not unfinished
    finally:
        world.close()


def test_an_order_names_the_destinations_in_one_spelling(world: World) -> None:
    for each in world.sites.values():
        each.network = ["*.org:443", "pypi.org:*", "[2606:4700::1]:*"]
        each.sync()
    job, run, site = world.running(network=["PyPI.org.:443", "pypi.org:443", "[2606:4700:0::1]:*"])
    site.sync()
    declared = ["pypi.org:443", "[2606:4700::1]:*"]
    assert site.orders[run.id].network == declared
    assert list(world.workload(job).spec.network) == declared  # type: ignore[union-attr]
