"""A snapshot that is kept and explained says what the scheduler says."""

import json

import pytest

from bruk.model.run import DeviceSet, Run
from bruk.model.site import Isolation, Node, Site
from bruk.model.snapshot import Account, Pending, RunFacts, SiteState, Snapshot
from bruk.model.tenant import Project, Residency, Tenant
from bruk.model.workload import Resources, WorkloadKind
from bruk.scheduler import schedule
from bruk.wire import codec

NOW_MS, HOUR_MS = 1_800_000_000_000, 3_600_000


def pending(name, devices, **fields):
    return Pending(
        name,
        name,
        WorkloadKind.JOB,
        "acme/lab",
        50,
        NOW_MS,
        Resources(1, devices),
        time_limit_ms=HOUR_MS,
        **fields,
    )


@pytest.fixture
def snapshot():
    place = Site("here", "here", "FR", "FR", "us", isolation=Isolation.SANDBOX)
    node = Node("here", "n1", "slots", "cpu-slot", 4, 4000, 2**30)
    tenant = Tenant("acme", "Acme")
    run = Run("run_1", "job_0", "acme/lab", "here", 1, (DeviceSet("n1", (0, 1)),), "cpu-slot", NOW_MS)
    return Snapshot(
        NOW_MS,
        (SiteState(place, (node,), True),),
        (Account(Project("acme", "lab", "Lab"), tenant, Residency()),),
        (pending("job_1", 1), pending("job_2", 4), pending("job_3", 4)),
        (run,),
        prices_microeur={"*": 1},
        run_facts={"run_1": RunFacts(ends_by_ms=NOW_MS + HOUR_MS)},
    )


@pytest.fixture
def file(snapshot, tmp_path):
    path = tmp_path / "snapshot.json"
    path.write_text(json.dumps(codec.dump(snapshot)))
    return path


def test_what_was_kept_is_what_the_scheduler_saw(bruk, control, snapshot, tmp_path):
    control.answers["GET /scheduler/snapshot"] = codec.dump(snapshot)
    kept = tmp_path / "kept.json"
    status, out, _ = bruk("twin", "snapshot", str(kept))
    assert status == 0
    assert "1 sites, 3 pending, 1 runs" in out
    assert codec.load(Snapshot, json.loads(kept.read_text())) == snapshot
    status, _, err = bruk("twin", "snapshot", str(kept))
    assert status != 0, "it is not written over"
    assert "give another name" in err


def test_the_plan_is_the_schedulers_own(bruk, file, snapshot):
    status, out, _ = bruk("twin", "explain", str(file), "--json")
    assert status == 0
    answer = json.loads(out)
    assert answer == {"plan": codec.dump(schedule(snapshot)), "violations": []}


def test_it_is_shown_with_reasons_and_by_when_there_is_room(bruk, file):
    _, out, _ = bruk("twin", "explain", str(file))
    assert "job_1" in out
    assert "it is next at here" in out
    assert "Room by" in out
    _, out, _ = bruk("twin", "explain", str(file), "job_2")
    assert "It waits (capacity)" in out
    assert "By the time limits of what runs there is room by" in out
    _, out, _ = bruk("twin", "explain", str(file), "job_1")
    assert "job_1 would start at here" in out


def test_a_workload_that_is_not_there_is_said_so(bruk, file):
    status, _, err = bruk("twin", "explain", str(file), "job_9")
    assert status != 0
    assert "nothing of 'job_9' is pending" in err


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda data: data["pending"][0]["resources"].update(devices=0), "asks for what cannot be had"),
        (lambda data: data["pending"].append(data["pending"][0]), "pending item stands in it twice"),
        (lambda data: data.pop("now_ms"), "it is no snapshot"),
        (lambda data: data.update(order="nonesuch"), "no order called 'nonesuch'"),
        (lambda data: data.update(accounts=[]), "has no account"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(bruk, file, change, words):
    data = json.loads(file.read_text())
    change(data)
    file.write_text(json.dumps(data))
    status, _, err = bruk("twin", "explain", str(file))
    assert status != 0
    assert words in err
