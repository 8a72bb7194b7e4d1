"""Ledger, invoices and audit log: what is shown, exported and checked."""

import csv
import io
import re
import sqlite3
from contextlib import closing

from bruk.control import invoices
from bruk.seal import verify_export
from bruk.wire.requests import InvoiceBody


def _token(browser):
    return re.search(r'name="form_token" value="([0-9a-f]+)"', browser.get("/people").text)[1]


def test_the_ledger_adds_up_for_the_operator_and_for_a_tenant(cloud):
    assert "45.42" in cloud.client("operator").get("/ledger").text
    own = cloud.client("acme").get("/ledger").text
    assert "45.22" in own
    assert "nordic" not in own
    only = cloud.client("operator").get("/ledger?tenant=nordic").text
    assert "0.205" in only
    assert "code-small" not in only


def test_a_tenant_cannot_ask_for_anothers_ledger(cloud):
    assert "acme/lab" not in cloud.client("nordic").get("/ledger?tenant=acme").text


def test_the_table_has_every_entry_in_exact_integers(cloud):
    rows = list(csv.DictReader(io.StringIO(cloud.client("acme").get("/ledger.csv").text)))
    assert {row["tenant"] for row in rows} == {"acme"}
    assert sum(int(row["amount_microeur"]) for row in rows) == 45_219_324
    whole = list(csv.DictReader(io.StringIO(cloud.client("auditor").get("/ledger.csv").text)))
    assert len(whole) == len(rows) + 1


def test_exports_verify_with_the_pinned_key_alone_and_leave_nothing_behind(cloud, tmp_path):
    browser = cloud.client("auditor")
    for chain in ("audit", "ledger"):
        answer = browser.get(f"/export/{chain}")
        assert answer.status_code == 200
        file = tmp_path / f"{chain}.jsonl"
        file.write_bytes(answer.content)
        report = verify_export(file, cloud.control.keyring)
        assert report.ok, report.sentences()
        assert report.entries > 10
    assert list(cloud.control.home.glob("export_*")) == []


def test_the_check_says_that_the_chains_hold(cloud):
    browser = cloud.client("auditor")
    token = _token(browser)
    for chain in ("audit", "ledger"):
        answer = browser.post("/audit/verify", data={"form_token": token, "chain": chain})
        assert answer.status_code == 200
        assert "holds." in answer.text
        assert "checkpoint" in answer.text


def test_the_check_names_an_entry_that_was_changed_behind_our_back(cloud):
    file = cloud.control.database.engine.url.database
    with closing(sqlite3.connect(file)) as connection, connection:
        for verb in ("update", "delete", "replace"):
            connection.execute(f"DROP TRIGGER audit_no_{verb}")
        connection.execute("UPDATE audit SET target='other' WHERE seq=5")
    browser = cloud.client("auditor")
    answer = browser.post("/audit/verify", data={"form_token": _token(browser), "chain": "audit"})
    assert "DOES NOT HOLD" in answer.text
    assert re.search(r"[Ee]ntry 5\b", answer.text)
    assert list(cloud.control.home.glob("*export_*")) == []


def test_the_audit_log_pages_back_to_its_beginning(cloud):
    browser = cloud.client("auditor")
    seen, address = [], "/audit"
    for _ in range(5):
        shown = browser.get(address).text
        seen += [int(number) for number in re.findall(r'<td class="num soft">(\d+)</td>', shown)]
        older = re.search(r'href="(/audit\?before=\d+)"', shown)
        if older is None:
            break
        address = older[1]
    assert sorted(set(seen)) == list(range(1, max(seen) + 1))


def test_an_invoice_is_issued_shown_and_kept_from_others(cloud):
    operator = cloud.client("operator")
    form = {"form_token": _token(operator), "tenant": "acme"}
    assert operator.post("/invoices", data=form).status_code == 303
    assert "BRUK-000001" in operator.get("/invoices").text
    shown = cloud.client("acme").get("/invoices/BRUK-000001")
    assert shown.status_code == 200
    assert "Acme Robotics" in shown.text
    assert "sandbox" in shown.headers["content-security-policy"]
    assert "script-src" not in shown.headers["content-security-policy"]
    table = cloud.client("acme").get("/invoices/BRUK-000001?form=csv")
    assert table.text.startswith("invoice,line,")
    assert cloud.client("lumen").get("/invoices/BRUK-000001").status_code == 404
    assert "BRUK" not in cloud.client("lumen").get("/invoices").text.split("<main")[1]
    cloud.clock.advance(1000)
    assert operator.post("/invoices", data=form).status_code == 303
    assert operator.post("/invoices", data={**form, "tenant": "none"}).status_code == 404


def test_an_invoice_for_a_name_in_another_script(cloud):
    invoices.issue(cloud.control, cloud.operator, InvoiceBody(tenant="nordic"))
    shown = cloud.client("nordic").get("/invoices/BRUK-000001").text
    assert "נורדיק" in shown
    assert "\u202e" not in shown
