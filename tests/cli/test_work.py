"""What ps and why say of a workload's three facts: wanted, observed, waited for."""

import json

JOB = {
    "id": "job_1",
    "name": "train",
    "project": "acme/lab",
    "kind": "job",
    "spec": {"command": ["true"]},
    "created_at_ms": 1_795_372_901_000,
    "created_by": "user_1",
}
ENDPOINT = {**JOB, "id": "ep_1", "name": "chat", "kind": "endpoint", "spec": {"model": "lm", "replicas": 2}}
HELD = {
    "code": "site_choice",
    "summary": "None of the sites that it asks for will do.",
    "advice": "Submit it with essonne among its sites ('--site essonne'), or without naming sites.",
    "sites": [],
}


def run(observed="running", **more):
    return {
        "id": "run_1",
        "workload": "job_1",
        "project": "acme/lab",
        "attempt": 1,
        "site": "essonne",
        "placement": [{"node": "node-1", "devices": [0, 1]}],
        "accelerator": "cpu-slot",
        "created_at_ms": 1,
        "started_at_ms": 1_795_372_905_000,
        "observed": observed,
        **more,
    }


PLACED = {
    "run": "run_1",
    "site": "essonne",
    "accelerator": "cpu-slot",
    "devices": [{"node": "node-1", "devices": [0, 1]}],
    "filtered": {"residency": 2, "node_health": 1},
    "leading": [
        {"site": "essonne", "nodes": ["node-1"], "score": 0},
        {"site": "essonne", "nodes": ["node-2"], "score": 2},
    ],
}


def listed(bruk, control, **view):
    control.answers["GET /workloads"] = [{"workload": JOB, "runs": [], **view}]
    status, out, _ = bruk("ps")
    assert status == 0
    return out


def explained(bruk, control, placements=(), **view):
    view = {"workload": JOB, "runs": [], "waiting_for": None, **view}
    control.answers["GET /workloads/job_1"] = view
    why = {"workload": view["workload"], "waiting_for": view["waiting_for"], "placements": list(placements)}
    control.answers["GET /workloads/job_1/why"] = why
    status, out, _ = bruk("why", "job_1")
    assert status == 0
    return out


def test_a_job_just_submitted_is_about_to_be_placed(bruk, control):
    assert "about to be placed" in listed(bruk, control)
    assert "about to be placed; ask again" in explained(bruk, control)
    assert "about to be placed" in listed(bruk, control, runs=[run("exited", exit_code=1, ended_at_ms=9)])


def test_nothing_is_about_to_be_placed_that_runs_waits_or_is_not_wanted(bruk, control):
    for view in (
        {"runs": [run()]},
        {"waiting_for": HELD},
        {"workload": {**JOB, "wanted": "stop"}},
        {"workload": {**JOB, "outcome": "succeeded", "ended_at_ms": 9}},
    ):
        assert "about to be placed" not in listed(bruk, control, **view)


def test_an_endpoint_that_lacks_a_replica_is_about_to_get_one(bruk, control):
    assert "about to be placed" in listed(bruk, control, workload=ENDPOINT, runs=[run(ready=True)])
    both = [run(ready=True), run(id="run_2")]
    said = listed(bruk, control, workload=ENDPOINT, runs=both)
    assert "about to be placed" not in said
    assert "1 of 2 ready" in said


def test_a_reason_is_named_in_words_and_where_to_ask_for_more(bruk, control):
    said = listed(bruk, control, waiting_for=HELD)
    assert "site choice" in said
    assert "'bruk why NAME'" in said
    assert "2026-11-22" in said
    assert "+0" not in said
    assert "bruk why" not in listed(bruk, control, runs=[run()])


def test_why_says_where_it_runs_and_why_there(bruk, control):
    said = explained(bruk, control, [PLACED], runs=[run()])
    assert "It waits for nothing: it is at essonne." in said
    assert "Run run_1: running at essonne on node-1 (cpu-slot 0, 1) since 2026-11-22" in said
    assert "Nodes that were ruled out: 2 by residency, 1 by node health." in said
    assert "the best fit, lower being better: essonne node-1 (0), essonne node-2 (2)." in said


def test_why_says_when_there_was_no_other_place(bruk, control):
    alone = {**PLACED, "filtered": {}, "leading": PLACED["leading"][:1]}
    ended = run("exited", exit_code=0, ended_at_ms=1_795_372_909_000)
    said = explained(
        bruk, control, [alone], runs=[ended], workload={**JOB, "outcome": "succeeded", "ended_at_ms": 9}
    )
    assert "Run run_1: ran at essonne" in said
    assert "no other place that would do had room" in said
    assert "ruled out" not in said


def test_why_says_why_a_run_was_stopped(bruk, control):
    stopped = {"wanted": "stop", "stop_reason": "preempted", "stop_requested_at_ms": 1_795_372_900_000}
    detail = "It has priority 50 and makes room for priority 90."
    ended = run("exited", exit_code=143, ended_at_ms=1_795_372_909_000, **stopped, stop_detail=detail)
    said = explained(bruk, control, [PLACED], runs=[ended])
    assert f"(preempted): {detail}" in said
    assert "Its place went to" not in said
    said = explained(bruk, control, [PLACED], runs=[{**ended, "stopped_for": "lumen"}])
    assert "Its place went to lumen." in said


def test_why_says_what_to_do(bruk, control):
    said = explained(bruk, control, waiting_for=HELD)
    assert "It waits (site choice): None of the sites" in said
    assert "What to do: Submit it with essonne among its sites ('--site essonne')" in said


def test_for_programs_nothing_is_shortened(bruk, control):
    control.answers["GET /workloads"] = [{"workload": JOB, "runs": [], "waiting_for": HELD}]
    status, out, _ = bruk("ps", "--json")
    (view,) = json.loads(out)
    assert (status, view["waiting_for"]["code"]) == (0, "site_choice")
    assert view["workload"]["created_at_ms"] == JOB["created_at_ms"]
