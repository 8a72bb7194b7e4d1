"""Jobs that have run become a trace that the twin plays."""

import json

import pytest

from bruk.model.run import DeviceSet, Run
from bruk.model.workload import EndpointSpec, JobSpec, Outcome, Resources, Workload, WorkloadKind
from bruk.twin.replay.formats import read_jobs
from bruk.wire import codec
from bruk.wire.answers import WorkloadView

NOW_MS = 1_800_000_000_000


def job(name, spans, *, outcome=Outcome.SUCCEEDED, created_ms=NOW_MS, project="acme/lab", **fields):
    spec = JobSpec(command=("true",), resources=Resources(2, 4), time_limit_s=600)
    runs = tuple(
        Run(
            f"run_{name}_{number}",
            f"job_{name}",
            project,
            "here",
            number,
            (DeviceSet("n1", (0,)),),
            "cpu-slot",
            NOW_MS,
            started_at_ms=start,
            ended_at_ms=end,
        )
        for number, (start, end) in enumerate(spans, start=1)
    )
    workload = Workload(
        f"job_{name}", name, project, WorkloadKind.JOB, spec, created_ms, "eva", outcome=outcome, **fields
    )
    return WorkloadView(workload, runs)


@pytest.fixture
def views(control):
    """Newest first, as control answers."""
    endpoint = Workload(
        "ep_1", "chat", "acme/lab", WorkloadKind.ENDPOINT, EndpointSpec(model="m"), NOW_MS, "eva"
    )
    found = [
        job("late", [(NOW_MS + 5000, NOW_MS + 8000)], created_ms=NOW_MS + 4000, priority=70),
        job("twice", [(NOW_MS + 10, NOW_MS + 1010), (NOW_MS + 2000, NOW_MS + 2500)], project="bolt/web"),
        job("open", [(NOW_MS, None)], outcome=Outcome.OPEN),
        job("never", [], outcome=Outcome.CANCELLED),
        WorkloadView(endpoint),
    ]
    control.answers["GET /workloads"] = [codec.dump(view) for view in found]
    return found


def test_what_ran_and_ended_is_kept_and_plays(bruk, views, tmp_path):
    file = tmp_path / "trace.csv"
    status, out, _ = bruk("twin", "trace", str(file))
    assert status == 0
    assert "2 jobs" in out
    jobs = read_jobs(file, "bruk")
    assert (jobs.arrival_ms, jobs.length_ms) == ([NOW_MS, NOW_MS + 4000], [1500, 3000])
    assert (jobs.devices, list(jobs.limits_ms)) == ([8, 8], [600_000] * 2)
    assert ([jobs.owners[owner] for owner in jobs.owner], jobs.priority) == (
        ["bolt/web", "acme/lab"],
        [50, 70],
    )
    line = ["twin", "replay", str(file), "--format", "bruk", "--gpus", "8", "--policy", "fair", "--json"]
    status, out, _ = bruk(*line, "--backfill", "conservative")
    assert status == 0
    assert json.loads(out)["jobs"] == 2


def test_only_one_project_is_asked_for_and_json_is_one_object(bruk, control, views, tmp_path):
    file = tmp_path / "trace.csv"
    status, out, _ = bruk("twin", "trace", str(file), "--project", "acme/lab", "--json")
    assert (status, json.loads(out)) == (0, {"file": str(file), "jobs": 2})
    assert control.sent("GET", "/workloads").url.params["project"] == "acme/lab"


def test_nothing_is_written_over_and_nothing_is_said_of_nothing(bruk, control, views, tmp_path):
    there = tmp_path / "there.csv"
    there.write_text("mine")
    status, _, err = bruk("twin", "trace", str(there))
    assert status != 0
    assert "give another name" in err
    assert there.read_text() == "mine"
    control.answers["GET /workloads"] = [codec.dump(views[3])]
    status, _, err = bruk("twin", "trace", str(tmp_path / "none.csv"))
    assert status != 0
    assert "No job has run" in err
    assert not (tmp_path / "none.csv").exists()
