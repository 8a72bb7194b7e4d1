"""One turn of control: stop what must stop, take in what ended, place what may run, sign receipts, drop
bytes that are nobody's any more.

Each part has no input but the store, is idempotent, and runs on a nudge and on a period.
"""

from bruk.control.apply import step_schedule
from bruk.control.control import Control
from bruk.control.data import step_bytes
from bruk.control.enforce import step_enforce
from bruk.control.reconcile import step_reconcile
from bruk.control.switch import step_receipts

PERIOD_MS = 1_000


def step(control: Control) -> bool:
    """One turn; True if anything changed, and then another turn may find more to do."""
    changed = step_enforce(control)
    changed |= step_reconcile(control)
    changed |= step_schedule(control)
    changed |= step_receipts(control)
    changed |= step_bytes(control)
    if changed:
        control.changes.bump()
    return changed
