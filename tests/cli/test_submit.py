"""Submitting: what options, file and environment say together, and asking before it costs."""

import json

import pytest

ESTIMATE = {
    "attempts_max": 1,
    "waiting_for": None,
    "amount_microeur_max": 1_234_567,
    "device_ms_max": 7_200_000,
    "sites": [
        {
            "site": "essonne",
            "accelerator": "cpu-slot",
            "device_ms": 7_200_000,
            "amount_microeur": 1_234_567,
            "energy_j": 3_600_000,
            "carbon_mg": 52_000,
        }
    ],
}


@pytest.fixture
def jobs(control):
    """A control that estimates, submits and lists two artifacts of one name."""

    def submitted(request):
        body = json.loads(request.content)
        return {
            "id": "job_1",
            "name": body["name"],
            "project": body.get("project", "of/key"),
            "kind": "job",
            "spec": body["spec"],
            "created_at_ms": 1,
            "created_by": "u",
        }

    def artifact(identifier, at_ms):
        return {
            "id": identifier,
            "project": "acme/models",
            "name": "corpus",
            "kind": "file",
            "digest": "0" * 64,
            "size_bytes": 1,
            "created_at_ms": at_ms,
        }

    control.answers |= {
        "POST /jobs": submitted,
        "POST /jobs/estimate": ESTIMATE,
        "GET /artifacts": [artifact("art_1", 1), artifact("art_2", 2)],
    }
    return control


def sent(jobs) -> dict:
    return json.loads(jobs.sent("POST", "/jobs").content)


def test_a_command_is_sent_as_it_was_written(bruk, jobs):
    command = ["python", "train.py", "--name", "y", "--json", "a b", "$HOME"]
    status, out, err = bruk("submit", "--name", "x", "--devices", "2", "--env", "A=b=c", "--", *command)
    assert status == 0, err
    body = sent(jobs)
    assert body["name"] == "x"
    assert body["spec"]["command"] == command
    assert body["spec"]["resources"] == {"devices": 2}
    assert body["spec"]["env"] == {"A": "b=c"}
    assert "1.234567" in out
    assert "52.000" in out


def test_options_come_before_the_file_and_the_file_before_the_environment(bruk, jobs, tmp_path, monkeypatch):
    (tmp_path / "job.toml").write_text(
        'name = "file"\nproject = "file/p"\ncommand = ["true"]\nretry_limit = 3\n[resources]\nnodes = 2\n'
    )
    monkeypatch.setenv("BRUK_PROJECT", "env/p")
    file = str(tmp_path / "job.toml")
    bruk("submit", file, "--name", "option", "--devices", "4", "--retries", "0")
    body = sent(jobs)
    assert (body["name"], body["project"]) == ("option", "file/p")
    assert body["spec"]["resources"] == {"nodes": 2, "devices": 4}
    assert body["spec"]["retry_limit"] == 0
    jobs.requests.clear()
    bruk("submit", file, "-p", "option/p")
    assert sent(jobs)["project"] == "option/p"
    jobs.requests.clear()
    bruk("submit", "--name", "x", "--", "true")
    assert sent(jobs)["project"] == "env/p"


def test_without_any_project_the_keys_own_is_left_to_control(bruk, jobs):
    bruk("submit", "--name", "x", "--", "true")
    assert "project" not in sent(jobs)


def test_an_input_by_name_becomes_the_newest_artifact_of_it(bruk, jobs):
    bruk("submit", "--name", "x", "--input", "a=corpus", "--input", "b=art_1", "--", "true")
    assert sent(jobs)["spec"]["inputs"] == {"a": "art_2", "b": "art_1"}


def test_a_recipe_with_its_configuration(bruk, jobs, tmp_path):
    (tmp_path / "c.json").write_text('{"steps": 10, "deep": {"x": [1, 2]}}')
    bruk("submit", "--name", "x", "--recipe", "pretrain", "--config", str(tmp_path / "c.json"))
    assert sent(jobs)["spec"]["config"] == {"steps": 10, "deep": {"x": [1, 2]}}


def test_an_estimate_submits_nothing(bruk, jobs):
    status, out, _ = bruk("submit", "--name", "x", "--estimate", "--json", "--", "true")
    assert status == 0
    assert json.loads(out) == ESTIMATE
    assert [request.url.path for request in jobs.requests] == ["/api/v1/jobs/estimate"]


@pytest.mark.parametrize(("answer", "submitted"), [("n\n", 0), ("y\n", 1), ("\n", 1)])
def test_on_a_terminal_it_asks_first(bruk, jobs, monkeypatch, answer, submitted):
    monkeypatch.setattr("bruk.cli.submit.on_terminal", lambda: True)
    monkeypatch.setattr("typer.confirm", lambda text, default: answer.strip() != "n")
    status, _, err = bruk("submit", "--name", "x", "--", "true")
    assert status == (0 if submitted else 1)
    assert ("Nothing was submitted" in err) is not bool(submitted)
    assert len([request for request in jobs.requests if request.url.path == "/api/v1/jobs"]) == submitted


def test_yes_does_not_ask(bruk, jobs, monkeypatch):
    monkeypatch.setattr("bruk.cli.submit.on_terminal", lambda: True)
    assert bruk("submit", "--name", "x", "--yes", "--", "true")[0] == 0


def test_the_idempotency_key_goes_along(bruk, jobs):
    bruk("submit", "--name", "x", "--idempotency-key", "once", "--", "true")
    assert jobs.sent("POST", "/jobs").headers["Idempotency-Key"] == "once"
