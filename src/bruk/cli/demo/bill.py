"""Invoices that add up to the ledger, and records that verify offline."""

from typing import Any

from bruk.cli.demo.act import Story, await_every_token, must
from bruk.cli.demo.screen import euros
from bruk.seal import SignedDocument, verify_document, verify_export
from bruk.wire.requests import InvoiceBody


def bill(story: Story) -> None:
    """Invoices that add up, and records that verify offline."""
    screen, operator = story.screen, story.scene.operator
    await_every_token(story)
    screen.step("Bill: the ledger, an invoice for each tenant, the audit log")
    rows, invoices = [], []
    for tenant in ("lutece", "nordlys", "rhein"):
        number = operator.invoices.issue(InvoiceBody(tenant=tenant)).number
        document = operator.invoices.get(number)
        report = verify_document(SignedDocument.from_document(document), story.scene.keyring)
        must(report.ok, f"invoice {number} does not verify")
        body = document["body"]
        last = body["checkpoint"]["seq"]
        owed = sum(
            entry.amount_microeur
            for entry in operator.ledger.list(tenant=tenant)
            if entry.seq <= last and body["period_from_ms"] <= entry.at_ms < body["period_to_ms"]
        )
        must(
            owed == body["total_microeur"],
            f"invoice {number} says {body['total_microeur']}, the ledger {owed}",
        )
        invoices.append(_invoice_line(number, tenant, body))
        line = invoices[-1]
        rows.append(
            [
                number,
                tenant,
                f"{line['tokens_in']:,}",
                f"{line['tokens_out']:,}",
                f"{line['device_seconds']:.1f}",
                f"{line['kwh']:.6f}",
                f"{line['gco2e']:.3f}",
                euros(line["microeur"]),
            ]
        )
    headings = ["invoice", "tenant", "tokens in", "out", "device-s", "kWh", "gCO2e", "EUR"]
    screen.table(headings, rows, texts=2)
    qualities = sorted({item["quality"] for item in invoices if item["quality"]})
    screen.say(f"energy is {', '.join(qualities)}; each invoice adds up to the ledger to the micro-euro")
    path = story.scene.home / "audit.jsonl"
    operator.audit.export(path)
    report = verify_export(path, story.scene.keyring)
    must(report.ok, f"the audit log does not verify: {' '.join(report.sentences())}")
    screen.say(f"audit log: {report.entries} entries, verified offline against the pinned key ({path})")
    story.summary["invoice"] = invoices
    story.summary["audit"] = {"entries": report.entries, "verified": report.ok}


def _invoice_line(number: str, tenant: str, body: dict[str, Any]) -> dict[str, Any]:
    def quantity(resource: str) -> int:
        return sum(int(line["quantity"]) for line in body["lines"] if line["resource"] == resource)

    energy_j = sum(int(item["energy_j"]) for item in body["energy"])
    carbon_mg = sum(int(item["carbon_mg"]) for item in body["energy"])
    return {
        "number": number,
        "tenant": tenant,
        "eur": body["total_microeur"] / 1_000_000,
        "microeur": body["total_microeur"],
        "kwh": energy_j / 3_600_000,
        "gco2e": carbon_mg / 1000,
        "tokens_in": quantity("tokens_in"),
        "tokens_out": quantity("tokens_out"),
        "device_seconds": quantity("device_time") / 1000,
        "quality": "/".join(sorted({str(item["quality"]) for item in body["energy"]})),
    }
