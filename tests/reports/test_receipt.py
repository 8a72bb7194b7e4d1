"""A receipt claims that nothing is left only where everyone has said so."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bruk.model.switch import Acknowledgement, EnforcerKind, Hold, HoldScope
from bruk.reports.receipt import (
    Enforcer,
    ReceiptHeader,
    ReceiptMalformed,
    issue_receipt,
    nothing_is_left,
    unanswered,
)
from bruk.reports.receipt_view import conclusion, receipt_html, receipt_text
from bruk.seal import canonical_bytes

_AT_MS = 1_795_000_000_000
_OFF = ReceiptHeader("S-7", "off", "site", "essonne", 7, "ingrid", _AT_MS, _AT_MS + 9_000, "cooling work")
_HOLD = Hold("hold_1", HoldScope.SITE, "essonne", 7, "ingrid", _AT_MS, "cooling work")


def _acknowledged(kind: EnforcerKind, name: str, generation: int = 7, left: int = 0) -> Enforcer:
    return Enforcer(kind, name, Acknowledgement(kind, name, generation, _AT_MS + 4_000, 14, 5, 3, left))


_AGENT = _acknowledged(EnforcerKind.AGENT, "essonne")
_GATEWAY = _acknowledged(EnforcerKind.GATEWAY, "gw-1")


def _receipt(*enforcers: Enforcer, header: ReceiptHeader = _OFF) -> dict[str, Any]:
    return issue_receipt(header, [_HOLD], enforcers)


def test_all_acknowledged_means_nothing_is_left() -> None:
    document = _receipt(_AGENT, _GATEWAY)

    assert document["nothing_is_left"]
    assert document["unanswered"] == []
    assert (document["refused"], document["drained"], document["stopped"]) == (28, 10, 6)
    assert conclusion(document) == "Nothing is left running."
    assert "NOTHING IS LEFT RUNNING." in receipt_text(document)
    assert "Nothing is left running." in receipt_html(document)


@pytest.mark.parametrize(
    ("enforcer", "words"),
    [
        (Enforcer(EnforcerKind.AGENT, "borlange"), "agent borlange"),
        (Enforcer(EnforcerKind.AGENT, "borlange", lease_ended_at_ms=_AT_MS), "agent borlange"),
        (Enforcer(EnforcerKind.GATEWAY, "gw-2"), "gateway gw-2"),
        (_acknowledged(EnforcerKind.GATEWAY, "gw-2", generation=6), "gateway gw-2"),
    ],
    ids=["silent agent", "agent past its lease", "silent gateway", "gateway behind"],
)
def test_whoever_has_not_answered_is_named(enforcer: Enforcer, words: str) -> None:
    document = _receipt(_AGENT, enforcer)

    assert not document["nothing_is_left"]
    assert document["unanswered"] == [words]
    assert conclusion(document) == f"Not proven: no word yet from {words}."
    assert "Nothing is left" not in receipt_html(document)
    assert "NOTHING IS LEFT" not in receipt_text(document)


def test_a_gateway_past_its_lease_counts_as_done_and_is_shown_as_such() -> None:
    document = _receipt(_AGENT, Enforcer(EnforcerKind.GATEWAY, "gw-2", lease_ended_at_ms=_AT_MS + 10_000))

    assert document["nothing_is_left"]
    assert document["enforcers"][1]["state"] == "lease ended"
    assert document["enforcers"][1]["refused"] is None
    assert "lease ended" in receipt_text(document)
    assert "lease ended" in receipt_html(document)


def test_living_processes_are_something_left() -> None:
    document = _receipt(_acknowledged(EnforcerKind.AGENT, "essonne", left=2))

    assert not document["nothing_is_left"]
    assert conclusion(document) == "Not finished: 2 processes still running."


def test_no_enforcers_prove_nothing() -> None:
    document = _receipt()

    assert not document["nothing_is_left"]
    assert conclusion(document) == "Not proven: no enforcer is known."


def test_switching_on_never_claims_that_nothing_is_left() -> None:
    on = ReceiptHeader("S-8", "on", "platform", "*", 8, "ingrid", _AT_MS, _AT_MS)
    document = _receipt(
        _acknowledged(EnforcerKind.AGENT, "essonne", 8), Enforcer(EnforcerKind.GATEWAY, "g"), header=on
    )

    assert not document["nothing_is_left"]
    assert conclusion(document) == "Released; not yet heard from gateway g."
    assert "The platform" in receipt_html(document)


def test_switching_on_says_which_other_holds_still_stand() -> None:
    on = ReceiptHeader("S-8", "on", "site", "essonne", 8, "ingrid", _AT_MS, _AT_MS)
    done = _acknowledged(EnforcerKind.AGENT, "essonne", 8)

    assert conclusion(_receipt(done, header=on)) == "Released; one other hold still stands."
    assert conclusion(issue_receipt(on, [], [done])) == "Released."


@given(st.lists(st.sampled_from(["done", "silent", "behind", "busy"]), max_size=6))
def test_the_claim_holds_exactly_when_everyone_is_done(states: list[str]) -> None:
    made = {
        "done": lambda name: _acknowledged(EnforcerKind.AGENT, name),
        "silent": lambda name: Enforcer(EnforcerKind.AGENT, name),
        "behind": lambda name: _acknowledged(EnforcerKind.AGENT, name, 6),
        "busy": lambda name: _acknowledged(EnforcerKind.AGENT, name, left=1),
    }
    document = _receipt(*(made[state](f"site-{n}") for n, state in enumerate(states)))

    assert nothing_is_left(document) == (bool(states) and set(states) == {"done"})
    assert len(unanswered(document)) == states.count("silent") + states.count("behind")


def test_a_forged_flag_changes_no_conclusion() -> None:
    document = _receipt(Enforcer(EnforcerKind.AGENT, "essonne"))
    document["nothing_is_left"] = True
    document["unanswered"] = []
    document["enforcers"][0]["state"] = "acknowledged"

    assert "Nothing is left" not in receipt_html(document)
    assert "has not answered" in receipt_html(document)


def test_the_receipt_does_not_depend_on_the_order_of_enforcers() -> None:
    assert canonical_bytes(_receipt(_AGENT, _GATEWAY)) == canonical_bytes(_receipt(_GATEWAY, _AGENT))
    document = _receipt(_AGENT)
    assert json.loads(json.dumps(document)) == document


@pytest.mark.parametrize("bad", [{}, {"document": "invoice", "format": 1}, {"document": "switch-receipt"}])
def test_what_is_no_receipt_is_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(ReceiptMalformed):
        receipt_text(bad)
    with pytest.raises(ReceiptMalformed):
        receipt_html(bad)
