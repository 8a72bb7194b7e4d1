"""The demo, whole: what ``make demo ARGS='--once --json'`` promises."""

import json
import subprocess
import sys

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.alone, pytest.mark.timeout(1500)]


@pytest.fixture(scope="module")
def summary(tmp_path_factory: pytest.TempPathFactory) -> dict:
    home = tmp_path_factory.mktemp("demo") / "home"
    command = [sys.executable, "-m", "bruk", "--home", str(home), "demo", "--once", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1400, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    sys.stderr.write(done.stderr)
    return json.loads(done.stdout.strip().splitlines()[-1])


def test_the_loss_falls_and_training_resumes_where_the_switch_stopped_it(summary: dict) -> None:
    train = summary["train"]
    assert train["loss_last"] < train["loss_first"]
    assert 0 < train["resumed_from_step"] < train["steps"]


def test_the_model_beats_gzip_and_xz_on_modules_it_never_saw(summary: dict) -> None:
    figures = summary["evaluate"]
    assert figures["bits_per_byte"] <= 0.9 * figures["gzip_bits_per_byte"]
    assert figures["bits_per_byte"] < figures["xz_bits_per_byte"]
    assert figures["passed"] is True


def test_the_switch_left_nothing_and_its_receipt_verifies(summary: dict) -> None:
    assert summary["switch"] == {"receipt_verified": True, "processes_left": 0}


def test_a_stranger_was_served(summary: dict) -> None:
    assert summary["serve"]["requests"] >= 5
    assert summary["serve"]["tokens_in"] > 0
    assert summary["serve"]["tokens_out"] > 0


def test_what_should_be_refused_was(summary: dict) -> None:
    codes = {refusal["what"]: refusal["code"] for refusal in summary["refusals"]}
    assert codes["serving before its gate"] == "gate_not_passed"
    assert codes["a model that did not pass its gate"] == "gate_not_passed"
    assert codes["a wrong key"] == "invalid_api_key"
    assert codes["a key of a tenant whose law excludes this place"] == "residency"
    assert codes["a job that only Germany may run"] == "residency"
    assert codes["a tenant over its budget"] == "insufficient_budget"
    assert codes["a job of a tenant over its budget"] == "budget_exhausted"


def test_the_bill_has_what_was_used(summary: dict) -> None:
    invoices = {invoice["tenant"]: invoice for invoice in summary["invoice"]}
    assert set(invoices) == {"lutece", "nordlys", "rhein"}
    assert invoices["lutece"]["device_seconds"] > 0
    assert invoices["lutece"]["kwh"] > 0
    assert invoices["lutece"]["gco2e"] > 0
    assert invoices["nordlys"]["tokens_in"] == summary["serve"]["tokens_in"]
    assert invoices["nordlys"]["tokens_out"] == summary["serve"]["tokens_out"]
    assert invoices["rhein"]["microeur"] == 0
    assert summary["audit"]["verified"] is True
    assert summary["audit"]["entries"] > 20
