"""The records: journalling durably, booking into the ledger, verifying an export."""

import asyncio
import tempfile
from pathlib import Path

from benchmarks.row import Row, seconds, timed
from bruk.journal import Journal
from bruk.model.clock import ManualClock
from bruk.model.ledger import LedgerEntry, Resource
from bruk.model.tenant import Project, Tenant
from bruk.seal import Keyring, SigningKey, verify_export, write_export
from bruk.store import people, records
from bruk.store.database import Database

APPENDS = 2_000
WRITERS = 32
ENTRIES = 2_000
PAYLOAD = b"x" * 250


async def _append(journal: Journal) -> None:
    async def one() -> None:
        for _ in range(APPENDS // WRITERS):
            await journal.append_durable(PAYLOAD)

    await asyncio.gather(*(one() for _ in range(WRITERS)))


def _journalled() -> float:
    with tempfile.TemporaryDirectory() as folder, Journal.open(Path(folder), new_id="bench") as journal:
        return APPENDS / seconds(lambda: asyncio.run(_append(journal)))


def _entry(number: int) -> LedgerEntry:
    return LedgerEntry(
        0,
        f"bench/{number}",
        number,
        number,
        number + 1,
        "t",
        "t/p",
        "s",
        Resource.TOKENS_OUT,
        "m",
        100,
        1_500_000,
        1,
        150,
        it_energy_j=1,
        energy_j=1,
        carbon_mg=1,
    )


def _database(folder: str) -> Database:
    database = Database.open(f"sqlite:///{folder}/bench.sqlite3")
    database.migrate()
    with database.write() as connection:
        people.add_tenant(connection, Tenant("t", "t"))
        people.add_project(connection, Project("t", "p", "p"))
    return database


def _booked() -> float:
    with tempfile.TemporaryDirectory() as folder:
        database = _database(folder)

        def book() -> None:
            for start in range(0, ENTRIES, 100):
                with database.write() as connection:
                    records.append_ledger(connection, [_entry(start + index) for index in range(100)])

        return ENTRIES / seconds(book)


def _verified() -> float:
    with tempfile.TemporaryDirectory() as folder:
        database = _database(folder)
        key = SigningKey.from_seed(b"benchmark seed of thirty-two byt")
        path = Path(folder) / "ledger.jsonl"
        with database.write() as connection:
            records.append_ledger(connection, [_entry(number) for number in range(ENTRIES)])
            head = records.head(connection, records.LEDGER)
            chain = records.chain(connection, records.LEDGER)
            write_export(path, head, chain, key, ManualClock().now_ms())
        keyring = Keyring.of([key.public_key])
        return ENTRIES / seconds(lambda: verify_export(path, keyring))


def run() -> list[Row]:
    return [
        timed(f"journal: durable appends of 250 bytes, {WRITERS} writers, group commit", "1/s", _journalled),
        timed("ledger: entries booked, 100 a transaction, SQLite with synchronous=FULL", "1/s", _booked),
        timed("ledger export: entries verified offline", "1/s", _verified),
    ]
