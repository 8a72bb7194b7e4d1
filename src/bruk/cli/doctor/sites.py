"""What agents, gateways and runs have left on this machine: journals, and processes that nobody knows."""

import tempfile
from pathlib import Path

from bruk.cli.doctor.check import Check, Finding
from bruk.model.errors import BrukError


def check_journals(home: Path) -> list[Check]:
    """Whether each journal of an agent or gateway can be read to its end; a copy of it is opened."""
    folders = [path.parent for path in sorted(home.glob("*/*/journal/journal.json"))]
    return [_check_journal(folder, f"journal {folder.parent.name}") for folder in folders]


def _check_journal(folder: Path, label: str) -> Check:
    from bruk.journal.snapshot import JournalBusy, snapshot

    try:
        with tempfile.TemporaryDirectory(prefix="bruk-doctor-") as name:
            report = snapshot(folder, Path(name) / "journal")
    except JournalBusy:
        return Check(label, Finding.OK, "in use, and too busy to be copied")
    except BrukError as error:
        advice = "Its owner does not start. Restore the file, or move the folder away and lose what it held."
        return Check(label, Finding.WRONG, error.message, advice)
    except OSError as error:
        return Check(
            label, Finding.WRONG, f"{error.filename}: {error.strerror}", "Look at its mode and owner."
        )
    waiting = report.records_waiting
    return Check(label, Finding.OK, f"whole; {waiting:,} records wait for control" if waiting else "whole")


def check_strays(home: Path) -> Check:
    """Whether a run lives here that control takes for ended, or does not know."""
    from bruk.engines.local.census import living
    from bruk.store import work
    from bruk.store.database import Database

    alive = [found for folder in sorted(home.glob("sites/*/engine")) for found in living(folder)]
    if not alive:
        return Check("runs", Finding.OK, "no run lives here")
    try:
        database = Database.look(home / "bruk.sqlite3")
        try:
            with database.read() as connection:
                known = {found.run: work.find_run(connection, found.run) for found in alive}
        finally:
            database.close()
    except BrukError as error:
        detail = f"{len(alive)} live here; whether control knows them cannot be said: {error.message}"
        return Check("runs", Finding.WRONG, detail, "See the check of the database.")
    strays = [found for found in alive if (record := known[found.run]) is None or record.settled]
    if strays:
        names = ", ".join(f"{found.run} (supervisor {found.pid})" for found in strays)
        advice = "The site's agent stops them once it is up and hears control; until then they run unbilled."
        return Check("runs", Finding.WRONG, f"{names}: control takes them for ended, or knows none", advice)
    return Check("runs", Finding.OK, f"{len(alive)} live here, all known to control")
