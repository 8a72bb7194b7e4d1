"""A switch receipt for people: plain text and a printable page.

Views of the document that `receipt` issues. What they conclude, they conclude from the enforcers' own words.
"""

from collections.abc import Mapping
from typing import Any

from bruk.reports import display
from bruk.reports.page import render_page
from bruk.reports.receipt import COUNTS, nothing_is_left, require_receipt, state_of, unanswered

_STATES = {
    "acknowledged": "acknowledged",
    "lease ended": "lease ended, can no longer act",
    "behind": "has not reached this generation",
    "no answer": "HAS NOT ANSWERED",
}


def conclusion(document: Mapping[str, Any]) -> str:
    """What the receipt shows, in one sentence.

    Args:
        document: the body of a receipt.
    """
    silent = unanswered(document)
    left = sum(row["processes_left"] or 0 for row in document["enforcers"])
    if document["action"] == "on":
        return _released(silent, len(document["holds"]))
    if nothing_is_left(document):
        return "Nothing is left running."
    if silent:
        return f"Not proven: no word yet from {display.names(silent)}."
    if left:
        return f"Not finished: {left:,} process{'es' if left != 1 else ''} still running."
    return "Not proven: no enforcer is known."


def receipt_text(document: Mapping[str, Any]) -> str:
    """The receipt as plain text.

    Args:
        document: the body of a receipt.

    Raises:
        ReceiptMalformed: when it is no receipt.
    """
    require_receipt(document)
    show = display.plain
    out = [
        f"SWITCH RECEIPT {show(document['number'])}: {subject(document)} {document['action'].upper()}",
        f"  by          {display.names([document['by'], *document['approved_by']])}",
        f"  at          {display.moment(document['at_ms'])}, generation {document['generation']}",
    ]
    if document["reason"]:
        out.append(f"  reason      {show(document['reason'])}")
    out += ["", "ENFORCERS", f"  {'':<28} {'refused':>9} {'drained':>9} {'stopped':>9} {'left':>6}"]
    for row in document["enforcers"]:
        state = _STATES[state_of(row, document["generation"])]
        when = f" {display.moment(row['at_ms'])}" if row["at_ms"] is not None else ""
        refused, drained, stopped, left = (display.count(row[name]) for name in COUNTS)
        out.append(
            f"  {row['kind'] + ' ' + show(row['id']):<28} {refused:>9} {drained:>9} {stopped:>9} {left:>6}"
            f"  {state}{when}"
        )
    out += ["", "HOLDS THAT STAND", *(_hold_text(document) or ["  none"]), "", conclusion(document).upper()]
    checkpoint = document["checkpoint"]
    if checkpoint is not None:
        out.append(f"Audit log up to entry {checkpoint['seq']}, head {show(checkpoint['hash'])}")
    return "\n".join(out) + "\n"


def receipt_html(document: Mapping[str, Any]) -> str:
    """The receipt as one printable page that asks for nothing outside itself.

    Args:
        document: the body of a receipt.

    Raises:
        ReceiptMalformed: when it is no receipt.
    """
    require_receipt(document)
    rows = [{**row, "state": state_of(row, document["generation"])} for row in document["enforcers"]]
    return render_page(
        "receipt.html",
        doc=document,
        rows=rows,
        states=_STATES,
        subject=subject(document),
        conclusion=conclusion(document),
        proven=nothing_is_left(document) or (document["action"] == "on" and not unanswered(document)),
    )


def subject(document: Mapping[str, Any]) -> str:
    """What was switched, in words, such as `site essonne` or `the platform`.

    Args:
        document: the body of a receipt.
    """
    if document["scope"] == "platform":
        return "the platform"
    if document["scope"] == "local":
        return f"{display.plain(document['target'])}, by its own key"
    return f"{document['scope']} {display.plain(document['target'])}"


def _released(silent: list[str], holds: int) -> str:
    if silent:
        return f"Released; not yet heard from {display.names(silent)}."
    if holds:
        standing = "one other hold still stands" if holds == 1 else f"{holds:,} other holds still stand"
        return f"Released; {standing}."
    return "Released."


def _hold_text(document: Mapping[str, Any]) -> list[str]:
    return [
        f"  {hold['scope']} {display.plain(hold['target'])}, generation {hold['generation']}, raised by "
        f"{display.plain(hold['raised_by'])} at {display.moment(hold['raised_at_ms'])}"
        for hold in document["holds"]
    ]
