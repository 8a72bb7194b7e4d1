"""The chains as evidence: the newest audit entries, an export, and a check of a chain as it stands.

A check goes the way that an auditor goes: the chain is exported, and the export is verified with
the pinned keys alone. Look next at ``seal.verify``.
"""

from pathlib import Path

from bruk.control import authorise
from bruk.control.control import Control
from bruk.model.ledger import AuditEntry
from bruk.model.tenant import Actor
from bruk.seal import Checkpoint, Head, VerifyReport, handovers_from, verify_export, write_export
from bruk.store import records, signing


def newest_audit(
    control: Control, actor: Actor, *, before: int | None, limit: int
) -> tuple[list[AuditEntry], Head]:
    """Audit entries from the newest to older ones, and the head of the chain."""
    authorise.audit(actor, "read the audit log")
    with control.read() as connection:
        head = records.head(connection, records.AUDIT)
        # The chain has no gaps, so that a page of it is known by its numbers.
        last = head.seq if before is None else min(before - 1, head.seq)
        first = max(0, last - limit)
        found = records.audit_entries(connection, after=first, limit=last - first) if last > first else []
    return found[::-1], head


def export(control: Control, actor: Actor, chain: str) -> Path:
    """A sealed export of a whole chain in a new file, which the caller removes.

    Raises:
        ChainBroken: the chain does not hold together; nothing was signed.
    """
    authorise.audit(actor, f"export the {chain}")
    path = control.home / f"{control.clock.new_id('export')}.jsonl"
    with control.read() as connection:
        head = records.head(connection, chain)
        statements = [row.handover for row in signing.signing_keys(connection) if row.handover is not None]
        write_export(
            path,
            head,
            records.chain(connection, chain),
            control.signer(connection),
            control.clock.now_ms(),
            handovers_from(statements),
        )
    return path


def verify(control: Control, actor: Actor, chain: str, known: list[Checkpoint]) -> VerifyReport:
    """Check a chain as it stands now, against the pinned keys and the given checkpoints.

    Raises:
        ChainBroken: an entry does not follow from the one before it.
    """
    path = export(control, actor, chain)
    try:
        return verify_export(path, control.keyring, known)
    finally:
        path.unlink(missing_ok=True)
