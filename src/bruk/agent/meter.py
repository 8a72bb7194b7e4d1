"""Use of devices, from the engine's true times into the journal, without gap or overlap.

Each record covers ``[from_ms, to_ms)``; the next begins where it ended, also in the agent's next
life: the newest of the journal, the run's own record and what control says it has is the start.
The journal keeps records until control has them in the ledger. Prices are not known here.
"""

import logging
from dataclasses import dataclass
from typing import Protocol

from bruk.agent.record import RunRecord
from bruk.engines.base import Status
from bruk.journal import Journal
from bruk.model.jsontext import parse_json
from bruk.wire.agent import MeterRecord

log = logging.getLogger(__name__)
SEND_MAX = 1000


@dataclass(frozen=True, slots=True)
class Energy:
    """What a meter says a run used.

    Attributes:
        it_energy_j: at the devices or packages [J].
        quality: ``measured`` or ``shared``.
        method: how, in a few words.
    """

    it_energy_j: int
    quality: str
    method: str


class EnergyReader(Protocol):
    """A meter at the site; asked once for each stretch of each run, in order of time."""

    def begin(self, status: Status, at_ms: int) -> None:
        """A run has just started: its first stretch begins at ``at_ms``."""
        ...

    def energy(self, status: Status, from_ms: int, to_ms: int) -> Energy | None:
        """Energy of the run over ``[from_ms, to_ms)``; None where no meter answers."""
        ...

    def forget(self, run: str) -> None:
        """The run is over."""
        ...


class Meter:
    """Writes and hands over meter records. Not thread-safe; the hand's lock guards it."""

    def __init__(self, journal: Journal, reader: EnergyReader | None) -> None:
        self._journal = journal
        self._reader = reader
        self._until: dict[str, int] = {}
        self._sent_seq = self._after = journal.acknowledged_seq
        for record in self._pending(None):
            self._until[record.run] = max(record.to_ms, self._until.get(record.run, 0))

    @property
    def journal_id(self) -> str:
        return self._journal.journal_id

    def metered_until(self, record: RunRecord) -> int | None:
        """Up to where the run is metered, from everything that knows; None before it started."""
        order = record.order
        known = [
            at_ms
            for at_ms in (
                record.started_at_ms,
                record.metered_until_ms,
                self._until.get(record.run),
                order.metered_until_ms if order else None,
            )
            if at_ms is not None
        ]
        return max(known) if known and record.started_at_ms is not None else None

    def known_life(self, record: RunRecord, status: Status) -> tuple[int | None, int | None]:
        """When a lost run started, and the last moment at which it is known to have lived [ms]."""
        started_at_ms = record.started_at_ms or status.started_at_ms
        known = (started_at_ms, self.metered_until(record), status.ended_at_ms)
        return started_at_ms, max((at_ms for at_ms in known if at_ms is not None), default=None)

    def begin(self, record: RunRecord, status: Status) -> None:
        """The run was just seen alive for the first time."""
        start_ms = self.metered_until(record)
        if self._reader and start_ms is not None and start_ms == record.started_at_ms:
            self._reader.begin(status, start_ms)

    def advance(
        self, record: RunRecord, status: Status, now_ms: int, period_ms: int, *, seen: bool
    ) -> int | None:
        """Journal what is due of a run's use: what is left of one that ended, else every period.

        Args:
            seen: ``status`` was read after ``now_ms``.

        Returns:
            Up to where it is metered now, also where an earlier life journalled that and did not come to
            note it; None if it never started.

        Raises:
            JournalError: nothing was written; call again.
        """
        until_ms, ended_ms = self.metered_until(record), record.ended_at_ms
        if until_ms is None:
            return None
        # On its own line of time where the engine keeps one: what a clock did meanwhile is not its use.
        now_ms = status.alive_at_ms or now_ms
        if until_ms < ended_ms if ended_ms is not None else seen and now_ms - until_ms >= period_ms:
            return self.measure(record, status, now_ms)
        return until_ms

    def measure(self, record: RunRecord, status: Status, until_ms: int) -> int | None:
        """Journal the run's use up to ``until_ms`` (or its end, if earlier).

        Returns:
            Up to where it is metered now; None if it never started.

        Raises:
            JournalError: nothing was written; call again.
        """
        start_ms = self.metered_until(record)
        if start_ms is None:
            return None
        end_ms = until_ms if record.ended_at_ms is None else min(until_ms, record.ended_at_ms)
        if end_ms <= start_ms:
            return start_ms
        energy = self._reader.energy(status, start_ms, end_ms) if self._reader else None
        meter = MeterRecord(
            seq=0,
            run=record.run,
            generation=record.generation,
            from_ms=start_ms,
            to_ms=end_ms,
            device_ms=record.devices_total * (end_ms - start_ms),
            it_energy_j=energy.it_energy_j if energy else None,
            quality=energy.quality if energy else "estimated",
            method=energy.method if energy else "",
        )
        self._journal.append_durable_sync(meter.model_dump_json(exclude={"seq"}).encode())
        self._until[record.run] = end_ms
        return end_ms

    @property
    def after(self) -> int:
        """What is handed over next follows on this number without a gap."""
        return self._after

    def pending(self) -> list[MeterRecord]:
        """The oldest records that control does not have, as many as fit one exchange."""
        found = self._pending(SEND_MAX)
        self._sent_seq = max([self._sent_seq, *(record.seq for record in found[-1:])])
        return found

    def acknowledge(self, seq: int) -> None:
        """Control has everything up to ``seq`` in the ledger; what it was never sent it cannot have.

        If that is less than it had before, control was restored from a backup, and what is still
        here is handed over again.
        """
        seq = min(seq, self._sent_seq)
        if seq >= self._journal.acknowledged_seq:
            self._journal.acknowledge(seq)
            self._after = max(seq, self._after)
            return
        if seq < self._after:
            gone = self._journal.oldest_seq - 1
            log.warning("control has usage up to %d only: what came after it is handed over again", seq)
            if gone > seq:
                log.error("usage records %d to %d are kept no more and are lost to control", seq + 1, gone)
        self._after = seq

    def forget(self, run: str) -> None:
        """The run is settled."""
        self._until.pop(run, None)
        if self._reader:
            self._reader.forget(run)

    def _pending(self, limit: int | None) -> list[MeterRecord]:
        found: list[MeterRecord] = []
        for entry in self._journal.read_from(max(self._after + 1, self._journal.oldest_seq)):
            found.append(MeterRecord(**{**parse_json(entry.payload), "seq": entry.seq}))
            if limit is not None and len(found) >= limit:
                break
        return found
