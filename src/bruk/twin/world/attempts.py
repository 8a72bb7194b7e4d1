"""What must be true of the attempts of one job, looked at once all is over.

A job that failed rests before its next attempt, all its attempts at a site find the same checkpoints and
nobody else's, and no run is ended for want of control's word.
"""

from collections import defaultdict
from collections.abc import Iterator

from bruk.agent.course import UNLISTED
from bruk.model.ledger import AuditEntry
from bruk.model.run import Observed
from bruk.model.workload import JobSpec
from bruk.store import records, work
from bruk.store.database import Connection
from bruk.store.work import RunRecord
from bruk.twin.world.world import World

# What a failed job rests at least, by ``control.reconcile`` when this was written: a world compares with
# what was promised, not with what the code says now.
REST_MS = 5_000


def of_attempts(world: World, connection: Connection) -> Iterator[str]:
    """What is wrong with any job's attempts."""
    known = {record.run.id: record for record in work.runs(connection)}
    jobs = {item.id for item in work.workloads(connection) if isinstance(item.spec, JobSpec)}
    yield from _rests(connection, known, jobs)
    yield from _checkpoints(world)
    for run, record in known.items():
        if UNLISTED in record.run.detail:
            yield f"{run} was ended as if control did not want it any more"


def _rests(connection: Connection, known: dict[str, RunRecord], jobs: set[str]) -> Iterator[str]:
    failed_at_ms: dict[str, int] = {}
    for entry in _audit(connection):
        if entry.action not in ("run.end", "run.place"):
            continue
        record = known[entry.target]
        job = record.run.workload
        if job not in jobs:
            continue
        if entry.action == "run.place":
            rested_ms = entry.at_ms - failed_at_ms.pop(job, -REST_MS)
            if rested_ms < REST_MS:
                yield f"{job} failed, and {entry.target} was its next attempt after {rested_ms} ms"
        elif _failed(record):
            failed_at_ms[job] = entry.at_ms


def _failed(record: RunRecord) -> bool:
    run = record.run
    well = run.observed is Observed.EXITED and run.exit_code == 0
    return not (well or run.interrupted or record.interrupted)


def _audit(connection: Connection) -> Iterator[AuditEntry]:
    after = 0
    while page := records.audit_entries(connection, after=after):
        yield from page
        after = page[-1].seq


def _checkpoints(world: World) -> Iterator[str]:
    folders: dict[tuple[str, str], set[str]] = defaultdict(set)
    owners: dict[tuple[str, str], set[str]] = defaultdict(set)
    for name, site in world.sites.items():
        for run in site.machines.history.values():
            env = run.launch.env
            job, folder = env["BRUK_WORKLOAD_ID"], env["BRUK_CHECKPOINT_DIR"]
            folders[name, job].add(folder)
            owners[name, folder].add(job)
    for (at, job), found in sorted(folders.items()):
        if len(found) > 1:
            yield f"{job} has {len(found)} folders of checkpoints at {at}"
    for (at, _), found in sorted(owners.items()):
        if len(found) > 1:
            yield f"{' and '.join(sorted(found))} share checkpoints at {at}"
