"""The journal of usage: what is durable here is billed, exactly once.

A record goes in before the client sees the end of its answer. When the disk refuses, nothing more is
admitted until it takes what was left over. Look next at `journal` for durability, at `sync` for the
hand-over.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from pathlib import Path

from bruk.gateway.account import Accounts
from bruk.gateway.problem import Refusal
from bruk.gateway.usage import Used, numbered, packed, unpacked
from bruk.journal import KEEP_BYTES, Journal, JournalError

_LOG = logging.getLogger(__name__)
_LEFT_OVER_MAX = 10_000
_KEPT_MAX = 20_000
# So much usage may wait for the ledger: half a minute of what one process serves at its fastest. Beyond it
# control does not keep up, and what it has not booked only grows.
BACKLOG_MAX = 100_000


class UsageBook:
    """Usage records in a journal, and the accounts they are taken off.

    Attributes:
        on_entry: called after each.
    """

    def __init__(self, journal: Journal, accounts: Accounts) -> None:
        self._journal = journal
        self._accounts = accounts
        self._left_over: deque[Used] = deque()
        self._broken = False
        # The newest records are kept in memory for the hand-over, all those behind number `_kept_from`, as
        # they are written.
        self._kept: deque[tuple[int, bytes]] = deque()
        self._kept_from = journal.durable_seq
        self._committing: set[int] = set()
        self._after = journal.acknowledged_seq
        self.on_entry: Callable[[], object] = lambda: None

    @classmethod
    def open(cls, folder: Path, new_id: str, accounts: Accounts) -> UsageBook:
        """Open the journal and take what the ledger does not have yet off the accounts.

        Raises:
            JournalError: see `Journal.open`.
        """
        book = cls(Journal.open(folder, new_id=new_id, keep_bytes=KEEP_BYTES), accounts)
        for entry in book._journal.read_from(book._journal.acknowledged_seq + 1):
            accounts.settle(unpacked(entry.payload), entry.seq)
        return book

    @property
    def journal_id(self) -> str:
        """The journal's lasting identity, under which control tells a repeated record."""
        return self._journal.journal_id

    @property
    def waiting(self) -> bool:
        """Whether records wait for hand-over."""
        return self.backlog > 0

    @property
    def backlog(self) -> int:
        """How many records wait for hand-over."""
        return self._journal.durable_seq - self._after

    @property
    def after(self) -> int:
        """What is handed over next follows on this number without a gap."""
        return self._after

    def require(self) -> None:
        """Refuse while usage cannot be recorded, or control is far behind with booking it.

        Raises:
            Refusal: ``journal_unavailable`` or ``too_many_requests``.
        """
        # What control had once and lost with an older state is handed over again, and holds nobody up.
        if self._journal.durable_seq - self._journal.acknowledged_seq > BACKLOG_MAX:
            raise Refusal(
                "too_many_requests",
                "Control does not keep up with booking what this gateway served. Try again shortly.",
                retry_after_s=5,
            )
        if self._broken:
            raise Refusal(
                "journal_unavailable",
                "Usage cannot be recorded, so nothing is served. The operator must see to the disk.",
                retry_after_s=10,
            )

    async def enter(self, record: Used) -> None:
        """Make the record durable and settle its reservation; returns when both are done.

        Raises:
            JournalError: the disk refused; the reservation stands.
        """
        try:
            await self._append(record)
        except JournalError:
            self._broken = True
            raise

    async def enter_later(self, record: Used) -> None:
        """As `enter`, for what a client has already seen: what the disk refuses is kept and tried again."""
        try:
            await self.enter(record)
        except JournalError as error:
            _LOG.error("usage of request %s waits for the disk: %s", record.request, error.message)
            if len(self._left_over) < _LEFT_OVER_MAX:
                self._left_over.append(record)

    async def retry(self) -> None:
        """Try again what the disk refused; then requests are admitted again. Called now and then."""
        if not self._broken:
            return
        try:
            while self._left_over:
                record = self._left_over[0]
                await self._append(record)
                self._left_over.popleft()
        except JournalError:
            return
        self._broken = False

    async def _append(self, record: Used) -> None:
        data = packed(record)
        seq = self._journal.append(data, at_once=False)
        kept = (seq, data)
        if len(self._kept) < _KEPT_MAX:
            self._kept.append(kept)
        else:
            self._kept_from = seq
        self._committing.add(seq)
        try:
            await self._journal.commit(seq)
        except BaseException:
            if kept in self._kept:
                self._kept.remove(kept)
            raise
        finally:
            self._committing.discard(seq)
        self._accounts.settle(record, seq)
        self.on_entry()

    def pending(self, count_max: int) -> list[bytes]:
        """The oldest records that were not acknowledged yet, in order and without a gap: their JSON."""
        acknowledged = self._after
        if acknowledged < max(self._kept_from, self._journal.acknowledged_seq):
            return self._read(max(acknowledged + 1, self._journal.oldest_seq), count_max)
        while self._kept and self._kept[0][0] <= acknowledged:
            self._kept.popleft()
        durable: list[bytes] = []
        for seq, data in self._kept:
            # What stands behind a record that is not durable yet waits for it, since control acknowledges
            # everything up to a number.
            if seq in self._committing or len(durable) == count_max:
                break
            durable.append(numbered(seq, data))
        return durable

    def acknowledge(self, seq: int) -> None:
        """The ledger has everything up to this number.

        If that is less than it had before, control was restored from a backup, and what is still here is
        handed over again.

        Raises:
            JournalError: the disk refused; the records are handed over again, which changes nothing.
        """
        seq = min(seq, self._journal.durable_seq)
        if seq >= self._journal.acknowledged_seq:
            self._journal.acknowledge(seq)
            self._after = max(seq, self._after)
            return
        if seq < self._after:
            gone = self._journal.oldest_seq - 1
            _LOG.warning("control has usage up to %d only: what came after it is handed over again", seq)
            if gone > seq:
                _LOG.error("usage records %d to %d are kept no more and are lost to control", seq + 1, gone)
        self._after = seq
        self.on_entry()

    def close(self) -> None:
        """Make everything durable and give the journal up."""
        self._journal.close()

    def _read(self, seq: int, count_max: int) -> list[bytes]:
        records: list[bytes] = []
        for entry in self._journal.read_from(seq):
            if len(records) >= count_max:
                break
            records.append(numbered(entry.seq, entry.payload))
        return records
