"""The switch receipt: who turned what off or on, and what every enforcer did about it.

It says that nothing is left only when every enforcer has carried the switch out and none counts a living
process. A gateway whose lease has ended can no longer act and counts as done; an agent whose lease has
ended may be told to go on, and does not. An enforcer that has not answered is named as such. The renderers
judge by the enforcers, never by a flag in the document. `bruk.seal` signs it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from bruk.model.errors import InvalidInput
from bruk.model.switch import Acknowledgement, EnforcerKind, Hold

COUNTS = ("refused", "drained", "stopped", "processes_left")
"""What an enforcer counts."""


class ReceiptMalformed(InvalidInput):
    """A document is no switch receipt, or a field of it is missing or of the wrong type."""

    code = "receipt_malformed"


@dataclass(frozen=True, slots=True)
class ReceiptHeader:
    """Who did what to what.

    Attributes:
        number: unique among receipts.
        action: off raises a hold, on releases one.
        scope: platform, site, tenant, model or local.
        target: which of them; `*` for the platform.
        generation: of the switch that this action made.
        by: who did it.
        approved_by: who else agreed, where policy asks for two people.
        at_ms: when it was done, since the epoch, UTC [ms].
        issued_at_ms: when the receipt was made [ms].
        reason: why, in the words of who did it.
    """

    number: str
    action: Literal["off", "on"]
    scope: str
    target: str
    generation: int
    by: str
    at_ms: int
    issued_at_ms: int
    reason: str = ""
    approved_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Enforcer:
    """One gateway, agent or scheduler that must carry the switch out, and what it said.

    Attributes:
        acknowledgement: its last word; none if it has not answered at all.
        lease_ended_at_ms: when a gateway's lease ended, if it did not answer [ms].
    """

    kind: EnforcerKind
    id: str
    acknowledgement: Acknowledgement | None = None
    lease_ended_at_ms: int | None = None


def issue_receipt(
    header: ReceiptHeader,
    holds: Sequence[Hold],
    enforcers: Sequence[Enforcer],
    checkpoint: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The receipt as a document: JSON values without floats, the same for the same input.

    Args:
        header: who did what to what.
        holds: the holds that stand after it.
        enforcers: everyone who must carry it out, whether heard of or not.
        checkpoint: the signed head of the audit log, as `bruk.seal.Checkpoint.document()` gives it.
    """
    rows = [_row(enforcer, header.generation) for enforcer in enforcers]
    rows.sort(key=lambda row: (row["kind"], row["id"]))
    document: dict[str, Any] = {
        "document": "switch-receipt",
        "format": 1,
        "number": header.number,
        "action": header.action,
        "scope": header.scope,
        "target": header.target,
        "generation": header.generation,
        "by": header.by,
        "approved_by": list(header.approved_by),
        "reason": header.reason,
        "at_ms": header.at_ms,
        "issued_at_ms": header.issued_at_ms,
        "holds": [_hold(hold) for hold in sorted(holds, key=lambda hold: (hold.generation, hold.id))],
        "enforcers": rows,
        **{name: sum(row[name] or 0 for row in rows) for name in COUNTS},
        "checkpoint": dict(checkpoint) if checkpoint is not None else None,
    }
    document["unanswered"] = unanswered(document)
    document["nothing_is_left"] = nothing_is_left(document)
    return document


def unanswered(document: Mapping[str, Any]) -> list[str]:
    """The enforcers, as `kind id`, that have neither carried the switch out nor lost their lease.

    Args:
        document: the body of a receipt.
    """
    return [
        f"{row['kind']} {row['id']}" for row in document["enforcers"] if _open(row, document["generation"])
    ]


def nothing_is_left(document: Mapping[str, Any]) -> bool:
    """Whether the receipt may say that nothing is left running of what was switched off.

    Args:
        document: the body of a receipt.
    """
    rows = document["enforcers"]
    # A list without enforcers proves nothing, so that it may claim nothing.
    return (
        document["action"] == "off"
        and bool(rows)
        and not unanswered(document)
        and not any(row["processes_left"] for row in rows)
    )


def state_of(row: Mapping[str, Any], generation: int) -> str:
    """What an enforcer has done: `acknowledged`, `lease ended`, `behind` or `no answer`.

    Args:
        row: one of the receipt's enforcers.
        generation: the receipt's generation.
    """
    return _state(row["kind"], row["generation"], row["lease_ended_at_ms"], generation)


def require_receipt(document: Mapping[str, Any]) -> None:
    """Refuse what is no receipt of this format before it is shown as one.

    Raises:
        ReceiptMalformed: when it is not.
    """
    if document.get("document") != "switch-receipt" or document.get("format") != 1:
        raise ReceiptMalformed(
            f"Expected a switch receipt of format 1, found {document.get('document')!r} of format "
            f"{document.get('format')!r}."
        )


def _row(enforcer: Enforcer, generation: int) -> dict[str, Any]:
    word = enforcer.acknowledgement
    return {
        "kind": str(enforcer.kind),
        "id": enforcer.id,
        "state": _state(
            enforcer.kind, word.generation if word else None, enforcer.lease_ended_at_ms, generation
        ),
        "generation": word.generation if word else None,
        "at_ms": word.at_ms if word else None,
        "lease_ended_at_ms": enforcer.lease_ended_at_ms,
        # Nothing, rather than zero, stands where nobody has said how many.
        **{name: getattr(word, name) if word else None for name in COUNTS},
    }


def _state(kind: str, acknowledged: int | None, lease_ended_at_ms: int | None, generation: int) -> str:
    if acknowledged is not None and acknowledged >= generation:
        return "acknowledged"
    if kind == EnforcerKind.GATEWAY and lease_ended_at_ms is not None:
        return "lease ended"
    return "no answer" if acknowledged is None else "behind"


def _open(row: Mapping[str, Any], generation: int) -> bool:
    return state_of(row, generation) in ("no answer", "behind")


def _hold(hold: Hold) -> dict[str, Any]:
    return {
        "id": hold.id,
        "scope": str(hold.scope),
        "target": hold.target,
        "generation": hold.generation,
        "raised_by": hold.raised_by,
        "raised_at_ms": hold.raised_at_ms,
        "reason": hold.reason,
    }
