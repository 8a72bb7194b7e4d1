"""What must never be seen in a world, whatever strikes it; and what must be true once all is over.

The truth is what the machines did and what clients got; the records are compared with it. A finding is a
sentence. Must never help the product along: it only looks.
"""

from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise

from bruk.control.switch import model_of
from bruk.model.errors import BrukError
from bruk.model.ledger import LedgerEntry, Resource
from bruk.model.run import Observed
from bruk.model.switch import Hold
from bruk.model.workload import JobSpec, Outcome, Workload
from bruk.reports.receipt import nothing_is_left
from bruk.seal import SignedDocument, extend
from bruk.store import money, records, switch, work
from bruk.store.database import Connection
from bruk.twin.world.attempts import of_attempts
from bruk.twin.world.machines import Lived
from bruk.twin.world.off import Off, placed_under_holds
from bruk.twin.world.scenario import Kind
from bruk.twin.world.world import World

# What a clock that was set wrong may shift use by: what control takes for a clock's error (see
# ``control.meter``), at both ends of a run.
SKEW_MS = 10_000


class Watch:
    """Looks at a world after every event, and once more at its end."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._seen: dict[str, int] = dict.fromkeys(world.sites, 0)
        self._launched: set[str] = set()
        self._receipts: set[str] = set()
        self._changes: tuple[object, int] = (None, -1)
        self._off = Off(world)

    def now(self) -> list[str]:
        """What is wrong at this moment."""
        found = [*self._world.cloud.defects, *self._new_launches()]
        for site in self._world.sites.values():
            found += site.machines.clashes
            found += site.complaints
            found += [f"control refused {site.name}: {text}" for text in site.line.line.refusals]
        for gateway in self._world.gateways.values():
            found += [f"control refused {gateway.name}: {text}" for text in gateway.line.refusals]
        return [*found, *self._new_receipts(), *self._off.now()]

    def busy(self) -> bool:
        """Whether something is still under way: living or unsettled runs, usage that waits."""
        if any(gateway.waiting or not gateway.up for gateway in self._world.gateways.values()):
            return True
        with self._world.cloud.database.read() as connection:
            if work.runs(connection, unsettled=True) or switch.receipts(connection, open_only=True):
                return True
            return any(
                item.id not in _impossible(self._world) for item in work.workloads(connection, open_=True)
            )

    def final(self) -> list[str]:
        """What is wrong once nothing is left to do."""
        with self._world.cloud.database.read() as connection:
            return [
                *self._open_work(connection),
                *self._outcomes(connection),
                *self._ledger_of_runs(connection),
                *self._ledger_of_calls(connection),
                *_sums(connection),
                *_chains(connection),
                *_receipts_closed(connection),
                *placed_under_holds(connection),
                *of_attempts(self._world, connection),
            ]

    def _new_launches(self) -> Iterator[str]:
        """No run is started twice, and no job has two attempts alive."""
        now_ms = self._world.clock.now_ms()
        for name, site in self._world.sites.items():
            machines = site.machines
            fresh = machines.launches[self._seen[name] :]
            self._seen[name] = len(machines.launches)
            for handle in fresh:
                lived = machines.lived(handle)
                if lived.run in self._launched:
                    yield f"run {lived.run} was started twice"
                self._launched.add(lived.run)
                if "WORK" not in machines.history[handle].launch.env:
                    continue
                alive = {
                    other.run
                    for elsewhere in self._world.sites.values()
                    for other in elsewhere.machines.lives_of(lived.workload)
                    if other.lives_at(now_ms)
                }
                if len(alive) > 1:
                    yield f"job {lived.workload} lives {len(alive)} times: {', '.join(sorted(alive))}"

    def _new_receipts(self) -> Iterator[str]:
        """Where a receipt says that nothing is left, nothing is."""
        control = self._world.cloud.control
        if control is None or (control, control.changes.version) == self._changes:
            return
        self._changes = (control, control.changes.version)
        with self._world.cloud.database.read() as connection:
            self._off.read(connection)
            for row in switch.receipts(connection):
                if not row.complete or row.id in self._receipts:
                    continue
                self._receipts.add(row.id)
                assert row.document is not None, "a complete receipt has a document"
                signed = SignedDocument.from_document(row.document)
                signed.check(self._world.cloud.keyring)
                hold = switch.get_hold(connection, row.hold)
                if row.action == "off" and hold.released_at_ms is None and nothing_is_left(signed.body):
                    yield from self._alive_under(connection, hold)

    def _alive_under(self, connection: Connection, hold: Hold) -> Iterator[str]:
        now_ms = self._world.clock.now_ms()
        for site, lived in self._world.lives():
            if not lived.lives_at(now_ms):
                continue
            workload = work.get_workload(connection, lived.workload)
            if hold.covers(site, workload.tenant, model_of(workload.spec)):
                yield f"a receipt says nothing is left under {hold.scope} {hold.target}; {lived.run} lives"

    def _open_work(self, connection: Connection) -> Iterator[str]:
        """Every job ended, or waits with a reason because no place will ever do."""
        reasons = work.waiting_for(connection)
        impossible = _impossible(self._world)
        for item in work.workloads(connection, open_=True):
            if item.id not in reasons:
                yield f"{item.name} is open and waits without a reason"
            elif item.id not in impossible:
                yield f"{item.name} never ended; it waits: {reasons[item.id].summary}"

    def _outcomes(self, connection: Connection) -> Iterator[str]:
        """What is said of a job is what its attempts did."""
        lived_by: dict[str, list[Lived]] = defaultdict(list)
        for _, lived in self._world.lives():
            lived_by[lived.workload].append(lived)
        for item in work.workloads(connection):
            if not isinstance(item.spec, JobSpec):
                continue
            own = lived_by[item.id]
            if any(lived.ended_at_ms is None for lived in own) and item.outcome is not Outcome.OPEN:
                yield f"{item.name} has {item.outcome} and an attempt of it still lives"
            ended_well = any(lived.observed is Observed.EXITED and lived.exit_code == 0 for lived in own)
            if item.outcome is Outcome.SUCCEEDED and not ended_well:
                yield f"{item.name} has succeeded, and no attempt of it ended with status 0"
            yield from _attempts(connection, item, own)

    def _ledger_of_runs(self, connection: Connection) -> Iterator[str]:
        """Use stands in the ledger once, without gap or overlap, and is what ran."""
        wrong_clocks = {fault.site for fault in self._world.scenario.faults if fault.kind is Kind.CLOCK_WRONG}
        entries: dict[str, list[LedgerEntry]] = defaultdict(list)
        for entry in records.ledger_entries(connection, limit=1_000_000):
            if entry.resource is Resource.DEVICE_TIME:
                entries[entry.run].append(entry)
        lives = {lived.run: (site, lived) for site, lived in self._world.lives()}
        for run, own in entries.items():
            if run not in lives:
                yield f"{run} never ran, and {sum(entry.quantity for entry in own)} device-ms are billed"
            for before, after in pairwise(own):
                if after.from_ms != before.to_ms:
                    yield f"use of {run} is billed to {before.to_ms} and then from {after.from_ms}"
        for run, (site, lived) in lives.items():
            billed = sum(entry.quantity for entry in entries[run])
            if lived.ended_at_ms is None:
                continue
            used = lived.devices * (lived.ended_at_ms - lived.started_at_ms)
            slack = lived.devices * SKEW_MS if site in wrong_clocks else 0
            if lived.observed is Observed.LOST:
                # Up to when a lost run lived only its machine knew; it is billed to when it was last seen.
                if billed > used + slack:
                    yield f"{billed} device-ms are billed for {run}, which was lost after {used}"
            elif abs(billed - used) > slack:
                yield f"{billed} device-ms are billed for {run}, which used {used}"

    def _ledger_of_calls(self, connection: Connection) -> Iterator[str]:
        """Each answer that a client got whole is billed exactly once, and nothing else is."""
        billed: dict[tuple[str, str], list[int]] = defaultdict(list)
        for entry in records.ledger_entries(connection, limit=1_000_000):
            if entry.resource in (Resource.TOKENS_IN, Resource.TOKENS_OUT):
                billed[entry.request, entry.resource.value].append(entry.quantity)
        calls = [call for gateway in self._world.gateways.values() for call in gateway.calls]
        known = {call.request for call in calls}
        for call in calls:
            for resource, tokens in (("tokens_in", call.tokens_in), ("tokens_out", call.tokens_out)):
                found = billed[call.request, resource]
                if found != [tokens] and (call.answered or found):
                    yield f"{call.request} used {tokens} {resource} and the ledger has {found}"
        for request, _ in list(billed):
            if request not in known:
                yield f"the ledger has a call {request} that nobody made"


def _impossible(world: World) -> set[str]:
    return {
        world.workload_of[item.number]
        for item in world.scenario.work
        if item.impossible and item.number in world.workload_of
    }


def _attempts(connection: Connection, item: Workload, own: list[Lived]) -> Iterator[str]:
    """Control's word on each attempt is the machines'."""
    truth = {lived.run: lived for lived in own}
    for record in work.runs(connection, of_workload=item.id):
        run, lived = record.run, truth.get(record.run.id)
        if lived is None or run.observed is Observed.LOST:
            continue
        if run.observed is not lived.observed or run.exit_code != lived.exit_code:
            yield (
                f"{run.id} {lived.observed} with {lived.exit_code}, and control says {run.observed} "
                f"with {run.exit_code}"
            )


def _sums(connection: Connection) -> Iterator[str]:
    """Accounts are the sums of the ledger."""
    sums = records.sums_by_project(connection)
    for project, account in money.accounts(connection).items():
        if account.spent_microeur != sums.get(project, 0):
            yield f"{project} has {account.spent_microeur} and its ledger sums up to {sums.get(project, 0)}"
    settled: dict[tuple[str, str], int] = defaultdict(int)
    for entry in records.ledger_entries(connection, limit=1_000_000):
        if entry.gateway:
            settled[entry.gateway, entry.project] += entry.amount_microeur
    for piece in money.slices(connection):
        booked = settled[piece.gateway, piece.project]
        if piece.settled_microeur != booked:
            said = f"{piece.gateway} settled {piece.settled_microeur} of {piece.project}"
            yield f"{said}, and {booked} are booked"


def _chains(connection: Connection) -> Iterator[str]:
    """Each entry of ledger and audit log follows from the one before it."""
    for name in (records.LEDGER, records.AUDIT):
        before = None
        for entry in records.chain(connection, name):
            try:
                if before is not None and extend(before, entry.body).hash != entry.hash:
                    yield f"entry {entry.seq} of the {name} does not follow from the one before"
            except BrukError as error:
                yield f"entry {entry.seq} of the {name}: {error.message}"
            before = entry.head


def _receipts_closed(connection: Connection) -> Iterator[str]:
    """Every turn of the switch has its receipt."""
    for row in switch.receipts(connection, open_only=True):
        yield f"receipt {row.id} was never completed"
