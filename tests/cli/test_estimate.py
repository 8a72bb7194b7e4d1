"""An estimate says what a job costs, how often, and what it would wait for; without a site never 0.00."""

import json

import pytest

REASON = {
    "code": "too_large",
    "summary": "No site will do: at essonne no usable node could ever hold it.",
    "advice": "Ask for at most 2 x 4 devices of h100-sxm.",
}
NOTHING = {
    "amount_microeur_max": 0,
    "device_ms_max": 600_000,
    "sites": [],
    "attempts_max": 1,
    "waiting_for": REASON,
}
SITE = {
    "site": "essonne",
    "accelerator": "h100-sxm",
    "device_ms": 1,
    "amount_microeur": 60_000,
    "energy_j": 1,
    "carbon_mg": 1,
}
SOMEWHERE = {**NOTHING, "amount_microeur_max": 60_000, "sites": [SITE], "waiting_for": None}


@pytest.fixture
def estimated(bruk, control):
    def say(answer: dict, *options: str) -> str:
        control.answers["POST /jobs/estimate"] = answer
        status, out, err = bruk("submit", "--estimate", *options, "--", "true")
        assert (status, err) == (0, "")
        assert [request.url.path for request in control.requests] == ["/api/v1/jobs/estimate"]
        control.requests.clear()
        return out

    return say


def test_without_a_site_the_cost_is_not_known(estimated):
    out = estimated(NOTHING)
    assert "Costs at most        not known yet" in out
    assert "10 m 00 s" in out
    assert "0.00" not in out


def test_it_says_what_it_would_wait_for_and_what_to_do(estimated):
    for answer in (NOTHING, {**SOMEWHERE, "waiting_for": REASON}):
        out = estimated(answer)
        assert f"Submitted now it would wait (too large): {REASON['summary']}\n" in out
        assert f"What to do: {REASON['advice']}\n" in out


@pytest.mark.parametrize(
    ("attempts", "said"),
    [
        (1, "0.06 EUR\n"),
        (2, "0.06 EUR, 0.12 if it fails and is tried again\n"),
        (4, "0.06 EUR, 0.24 if it fails and is tried 3 times more\n"),
    ],
)
def test_what_other_attempts_cost_is_said_too(estimated, attempts, said):
    out = estimated({**SOMEWHERE, "attempts_max": attempts})
    assert f"Costs at most        {said}" in out
    assert "would wait" not in out


def test_json_is_as_control_said_it(estimated):
    told = json.loads(estimated(NOTHING, "--json"))
    assert told["waiting_for"]["advice"] == REASON["advice"]
    assert {**told, "waiting_for": REASON} == NOTHING
