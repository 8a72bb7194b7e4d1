"""A receipt names people beside their ids where the caller may read who they are."""

import json

import httpx
import pytest

from .test_switch import HOLD, receipt

USERS = [
    {"id": "user_1", "name": "Ada\x1b[2J Lovelace", "role": "operator"},
    {"id": "user_2", "name": "Bea", "role": "operator"},
]


@pytest.fixture
def document(control):
    made = receipt("acknowledged")
    made["body"] |= {"by": "user_1", "holds": [{**HOLD, "raised_by": "user_2"}]}
    control.answers["GET /switch/receipts/rcpt_1"] = lambda request: httpx.Response(
        200, json=made, headers={"X-Complete": "true"}
    )
    control.answers["GET /users"] = USERS
    return made


def test_the_name_stands_beside_the_id_and_not_in_what_is_saved(bruk, document, tmp_path):
    file = tmp_path / "receipt.json"
    status, out, err = bruk("receipt", "show", "rcpt_1", "--save", str(file))
    assert (status, err) == (0, "")
    assert "user_1 (Ada" in out
    assert "\x1b" not in out
    assert "raised by user_2 (Bea)" in out
    assert "Bea" not in file.read_text()
    assert json.loads(bruk("receipt", "show", "rcpt_1", "--json")[1]) == document


@pytest.mark.parametrize("status", [403, 500])
def test_without_the_names_the_receipt_is_shown_all_the_same(bruk, control, document, status):
    problem = {"code": "x", "title": "t", "status": status, "detail": "No."}
    control.answers["GET /users"] = httpx.Response(status, json=problem)
    done, out, _ = bruk("receipt", "show", "rcpt_1")
    assert done == 0
    assert "by          user_1\n" in out
    assert "NOTHING IS LEFT RUNNING" in out


def test_so_does_a_switch_that_waits(bruk, control, document):
    control.answers["POST /switch/off"] = {"hold": HOLD, "receipt": "rcpt_1"}
    assert "user_2 (Bea)" in bruk("off", "site", "essonne", "--wait")[1]
