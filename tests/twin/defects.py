"""Errors put into the product on purpose, one at a time, to see that a storm finds them.

Each is a small change of real code that a person might make. `python -m tests.twin.defects --seeds 500` lets
worlds live with each in turn until an invariant breaks, and prints how many it took.
"""

import argparse
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from multiprocessing import get_context
from typing import Any
from unittest.mock import patch

from bruk.agent.hand import Hand
from bruk.agent.meter import Meter
from bruk.agent.record import Records
from bruk.agent.standing import Key
from bruk.control import agents, gateways, meter, reconcile, snapshot, switch
from bruk.gateway.lease import LeaseHolder
from bruk.gateway.traffic import Traffic
from bruk.model.run import Observed, RunWanted
from bruk.reports import receipt
from bruk.store import places
from bruk.twin.storm import run_seed
from bruk.twin.world.life import Ending

Change = tuple[Any, str, Any]


@dataclass(frozen=True)
class Defect:
    """One error.

    Attributes:
        says: what is wrong with the product that has it.
        changes: objects, the names of their attributes, and what these become.
    """

    says: str
    changes: Callable[[], list[Change]]

    @contextmanager
    def on(self) -> Iterator[None]:
        """Let the product have it."""
        with ExitStack() as stack:
            for owner, name, instead in self.changes():
                stack.enter_context(patch.object(owner, name, instead))
            yield


def _usage_acknowledged_before_it_is_written() -> list[Change]:
    whole = agents.receive

    def receive(control: Any, actor: Any, request: Any) -> bool:
        changed = whole(control, actor, request.model_copy(update={"meters": []}))
        with control.database.write() as connection:
            site, row = places.get_site(connection, actor.site), places.get_agent(connection, actor.site)
            known = row.meter_seq if request.meters_after <= row.meter_seq else 2**62
            fresh = [record for record in request.meters if record.seq > known]
            if fresh:
                places.replace_agent(connection, replace(row, meter_seq=fresh[-1].seq))
        with control.database.write() as connection:
            meter.take_device_time(control, connection, site, fresh)
        return changed or bool(fresh)

    return [(agents, "receive", receive)]


def _device_time_counted_again() -> list[Change]:
    whole, entries = agents.receive, meter._device_entries

    def receive(control: Any, actor: Any, request: Any) -> bool:
        with control.database.write() as connection:
            row = places.get_agent(connection, actor.site)
            places.replace_agent(connection, replace(row, meter_seq=request.meters_after))
        return whole(control, actor, request)

    def again(control: Any, book: Any, site: Any, run: Any, *rest: Any) -> Any:
        found = entries(control, book, site, replace(run, metered_until_ms=None), *rest)
        return [replace(entry, key=f"{entry.key}/{control.clock.new_id('use')}") for entry in found]

    return [(agents, "receive", receive), (meter, "_device_entries", again)]


def _tokens_counted_again() -> list[Change]:
    whole, entry = gateways.receive, meter._token_entry

    def receive(control: Any, actor: Any, request: Any) -> Any:
        with control.database.write() as connection:
            row = places.get_gateway(connection, actor.id)
            places.replace_gateway(connection, replace(row, usage_seq=request.usage_after))
        return whole(control, actor, request)

    def again(control: Any, *rest: Any) -> Any:
        found = entry(control, *rest)
        return replace(found, key=f"{found.key}/{control.clock.new_id('use')}")

    return [(gateways, "receive", receive), (meter, "_token_entry", again)]


def _old_answer_taken() -> list[Change]:
    whole = Hand.take

    def take(self: Any, response: Any, now_ms: int) -> bool:
        self._asked = response.asked
        self._standing = replace(self._standing, generation=0)
        return whole(self, response, now_ms)

    return [(Hand, "take", take)]


def _restarted_agent_adopts_nothing() -> list[Change]:
    return [(Hand, "recover", lambda self: self._means.records.sweep())]


def _hold_ignored_by_the_agent() -> list[Change]:
    whole = Key.over

    def over(self: Any, record: Any) -> Any:
        return whole(replace(self, standing=replace(self.standing, holds=())), record)

    return [(Key, "over", over)]


def _own_key_ignored_by_the_agent() -> list[Change]:
    whole = Key.over
    return [(Key, "over", lambda self, record: whole(replace(self, local=None), record))]


def _hold_ignored_by_the_gateway() -> list[Change]:
    return [(Traffic, "covered", lambda *_: None)]


def _hold_ignored_by_the_scheduler() -> list[Change]:
    whole = snapshot.take
    return [(snapshot, "take", lambda *rest: replace(whole(*rest), holds=()))]


def _lost_end_taken_for_success() -> list[Change]:
    whole = reconcile._settle_job

    def settle(control: Any, connection: Any, workload: Any, record: Any) -> None:
        if record.run.observed is Observed.LOST:
            record = replace(record, run=replace(record.run, observed=Observed.EXITED, exit_code=0))
        whole(control, connection, workload, record)

    return [(reconcile, "_settle_job", settle)]


def _lost_end_never_taken_in() -> list[Change]:
    whole = reconcile._settle_run

    def settle(control: Any, connection: Any, run_id: str) -> bool:
        lost = reconcile.work.get_run(connection, run_id).run.observed is Observed.LOST
        return not lost and whole(control, connection, run_id)

    return [(reconcile, "_settle_run", settle)]


def _use_metered_past_the_end() -> list[Change]:
    measure, entries = Meter.measure, meter._device_entries
    return [
        (
            Meter,
            "measure",
            lambda self, record, *rest: measure(self, replace(record, ended_at_ms=None), *rest),
        ),
        (
            meter,
            "_device_entries",
            lambda control, book, site, run, *rest: entries(
                control, book, site, replace(run, ended_at_ms=None), *rest
            ),
        ),
    ]


def _last_stretch_not_metered() -> list[Change]:
    whole = Meter.advance

    def advance(self: Any, record: Any, *rest: Any, **more: Any) -> Any:
        if record.ended_at_ms is not None:
            return self.metered_until(record)
        return whole(self, record, *rest, **more)

    return [(Meter, "advance", advance)]


def _lease_never_ends() -> list[Change]:
    whole = LeaseHolder.require
    return [(LeaseHolder, "require", lambda self: self.lease or whole(self))]


def _devices_free_before_their_run_has_ended() -> list[Change]:
    whole = snapshot.take

    def take(*rest: Any) -> Any:
        seen = whole(*rest)
        return replace(seen, runs=tuple(run for run in seen.runs if run.wanted is RunWanted.START))

    return [(snapshot, "take", take)]


def _cut_off_taken_for_dead() -> list[Change]:
    whole = snapshot._pending

    def pending(connection: Any, open_: Any, unsettled: Any) -> Any:
        heard = {row.site: row.last_sync_at_ms or 0 for row in places.agents(connection)}
        newest_ms = max(heard.values())
        lease_ms = {site.name: site.lease_ms for site in places.sites(connection)}
        away = {site for site, at_ms in heard.items() if newest_ms - at_ms > lease_ms[site]}
        return whole(connection, open_, [item for item in unsettled if item.run.site not in away])

    return [(snapshot, "_pending", pending)]


def _receipt_before_all_have_answered() -> list[Change]:
    return [(receipt, "_open", lambda *_: False), (switch, "_left", lambda *_: 0)]


def _checkpoints_of_the_run() -> list[Change]:
    whole = Records.folders
    return [(Records, "folders", lambda self, run, scope="": whole(self, run))]


def _slice_settled_twice() -> list[Change]:
    whole = gateways._settle_slices

    def settle(connection: Any, gateway: str, booked: Any) -> None:
        whole(connection, gateway, booked)
        whole(connection, gateway, booked[:1])

    return [(gateways, "_settle_slices", settle)]


def _no_rest_after_a_failure() -> list[Change]:
    return [(reconcile, "BACKOFF_MS", 0)]


DEFECTS = {
    found.__name__.strip("_").replace("_", " "): Defect(found.__name__.strip("_").replace("_", " "), found)
    for found in (
        _usage_acknowledged_before_it_is_written,
        _device_time_counted_again,
        _tokens_counted_again,
        _old_answer_taken,
        _restarted_agent_adopts_nothing,
        _hold_ignored_by_the_agent,
        _own_key_ignored_by_the_agent,
        _hold_ignored_by_the_gateway,
        _hold_ignored_by_the_scheduler,
        _lost_end_taken_for_success,
        _lost_end_never_taken_in,
        _use_metered_past_the_end,
        _last_stretch_not_metered,
        _lease_never_ends,
        _devices_free_before_their_run_has_ended,
        _cut_off_taken_for_dead,
        _receipt_before_all_have_answered,
        _checkpoints_of_the_run,
        _slice_settled_twice,
        _no_rest_after_a_failure,
    )
}


def run_with(name: str, seed: int) -> Ending:
    """Let a seed live in a product with this defect."""
    with DEFECTS[name].on():
        return run_seed(seed)


def search(pool: ProcessPoolExecutor, workers: int, name: str, seeds: range) -> tuple[int, Ending | None]:
    """The first of these seeds that finds the defect and its ending; how many were tried up to there."""
    waiting = iter(seeds)
    running: dict[Future[Ending], int] = {}
    found: dict[int, Ending] = {}
    while True:
        while not found and len(running) < workers and (seed := next(waiting, None)) is not None:
            running[pool.submit(run_with, name, seed)] = seed
        if not running:
            first = min(found, default=None)
            return (len(seeds), None) if first is None else (first - seeds.start + 1, found[first])
        for future in wait(running, return_when=FIRST_COMPLETED).done:
            seed, ending = running.pop(future), future.result()
            if ending.broken:
                found[seed] = ending


def main() -> None:
    """Print what finds each defect."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=500, help="at most so many seeds a defect")
    parser.add_argument("--from", type=int, default=0, dest="first", help="the first seed")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--only", choices=sorted(DEFECTS), action="append")
    asked = parser.parse_args()
    print("| defect | seeds until found | when | what broke |\n|---|---:|---|---|")
    with ProcessPoolExecutor(asked.workers, mp_context=get_context("spawn")) as pool:
        for name in asked.only or DEFECTS:
            count, ending = search(pool, asked.workers, name, range(asked.first, asked.first + asked.seeds))
            if ending is None:
                print(f"| {name} | not within {count} | | |", flush=True)
                continue
            broke = ending.broken if len(ending.broken) <= 100 else f"{ending.broken[:100]}..."
            print(f"| {name} | {count} (seed {ending.seed}) | {ending.at} | {broke} |", flush=True)


if __name__ == "__main__":
    main()
