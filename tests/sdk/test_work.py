"""Following logs and waiting, against a control that moves on between two looks."""

from types import SimpleNamespace

import httpx
import pytest

from bruk.model.errors import InvalidInput, NotFound
from bruk.model.workload import Outcome
from bruk.sdk import SdkError
from bruk.sdk.transport import Transport
from bruk.sdk.work import Workloads


def run(identifier: str, attempt: int) -> dict[str, object]:
    return {
        "id": identifier,
        "workload": "job_1",
        "project": "acme/models",
        "site": "essonne",
        "attempt": attempt,
        "placement": [],
        "accelerator": "cpu-slot",
        "created_at_ms": 1,
    }


class Control:
    """A job whose log grows by what the test lets it write at each sleep."""

    def __init__(self) -> None:
        self.runs = [run("run_1", 1)]
        self.logs = {"run_1": b""}
        self.outcome = "open"
        self.script: list[object] = []

    def sleep(self, seconds: float) -> None:
        assert self.script, "the client waits although nothing will change"
        self.script.pop(0)()

    def answer(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/api/v1")
        if path == "/workloads":
            return httpx.Response(200, json={"items": [{"workload": self.workload()}], "next": None})
        if path.endswith("/logs"):
            offset = int(request.url.params["offset"])
            piece = self.logs[request.url.params["run"]][offset : offset + 4]
            return httpx.Response(200, content=piece, headers={"X-Next-Offset": str(offset + len(piece))})
        return httpx.Response(200, json={"workload": self.workload(), "runs": self.runs, "waiting_for": None})

    def workload(self) -> dict[str, object]:
        return {
            "id": "job_1",
            "name": "train",
            "project": "acme/models",
            "kind": "job",
            "spec": {"command": ["true"]},
            "created_at_ms": 1,
            "created_by": "u",
            "outcome": self.outcome,
        }

    def workloads(self) -> Workloads:
        line = httpx.MockTransport(self.answer)
        return Workloads(Transport("http://127.0.0.1:1", line=line), self.sleep)


def test_a_log_is_read_to_its_present_end():
    control = Control()
    control.logs["run_1"] = b"line one\nline two\n"
    assert b"".join(control.workloads().logs("job_1")) == b"line one\nline two\n"


def test_following_ends_with_the_job_and_misses_nothing_written_at_the_end():
    control = Control()
    control.logs["run_1"] = b"one\n"

    def ends() -> None:
        control.logs["run_1"] += b"the very last line\n"
        control.outcome = "succeeded"

    control.script = [lambda: None, ends]
    assert b"".join(control.workloads().logs("job_1", follow=True)) == b"one\nthe very last line\n"


def test_following_goes_over_to_the_next_attempt_from_its_beginning():
    control = Control()
    control.logs["run_1"] = b"first\n"

    def again() -> None:
        control.runs.append(run("run_2", 2))
        control.logs["run_2"] = b"2nd\n"

    def ends() -> None:
        control.outcome = "failed"

    control.script = [again, ends]
    assert b"".join(control.workloads().logs("job_1", follow=True)) == b"first\n2nd\n"


def test_waiting_returns_the_ended_job():
    control = Control()

    def ends() -> None:
        control.outcome = "cancelled"

    control.script = [lambda: None, ends]
    assert control.workloads().wait("job_1").outcome == "cancelled"


def test_waiting_ends_with_its_time_and_says_so():
    with pytest.raises(SdkError) as caught:
        Control().workloads().wait("job_1", timeout_s=0)
    assert caught.value.code == "waited_too_long"
    assert "job_1" in caught.value.message


def test_a_workload_is_found_by_name_or_identifier():
    workloads = Control().workloads()
    assert workloads.find("train") == "job_1"
    assert workloads.find("job_77") == "job_77"
    with pytest.raises(NotFound, match="bruk ps"):
        workloads.find("nobody")


def test_a_name_that_several_projects_have_open_is_asked_for(monkeypatch):
    def named(project: str, identifier: str, outcome: Outcome = Outcome.OPEN) -> SimpleNamespace:
        return SimpleNamespace(
            workload=SimpleNamespace(id=identifier, name="same", project=project, outcome=outcome)
        )

    workloads = Control().workloads()
    found = [named("beta/apps", "job_2"), named("acme/lab", "job_1"), named("acme/lab", "job_0")]
    monkeypatch.setattr(type(workloads), "list", lambda self: iter(found))
    with pytest.raises(InvalidInput, match="job_2 of beta/apps, job_1 of acme/lab"):
        workloads.find("same")
    del found[0]
    assert workloads.find("same") == "job_1", "the newest of one project"
    found.insert(0, named("beta/apps", "job_3", Outcome.SUCCEEDED))
    assert workloads.find("same") == "job_1", "what has ended is not in the way"
