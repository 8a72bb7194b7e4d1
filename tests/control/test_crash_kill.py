"""A process with control in it is killed for real, in the middle of a write, and another goes on.

What it was about to commit is not there, what it had committed is, and the repeat of the same request
leads to the same end. The child itself strikes, at a statement or a commit; nothing in the product knows.
"""

import itertools
import json
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bruk.store import records, work

from .world import World

pytestmark = pytest.mark.slow
CHILD = """
import json, os, signal, sys
from pathlib import Path

from sqlalchemy import event

from bruk.api.door import Once
from bruk.control import jobs
from bruk.control.blobs import BlobStore
from bruk.control.control import Control
from bruk.control.logs import LogStore
from bruk.model.clock import ManualClock
from bruk.model.tenant import Actor, Role
from bruk.seal import Keyring, SigningKey
from bruk.store.database import Database
from bruk.wire import codec
from bruk.wire.requests import JobBody

home, operator, statements, body = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4]
clock = ManualClock(2_000_000_000_000)
clock._count = 10_000 + statements * 100
database = Database.open(f"sqlite:///{home}/bruk.sqlite3")
count = 0

def strike(*_):
    global count
    count += 1
    if count == statements:
        os.kill(os.getpid(), signal.SIGKILL)

event.listen(database.engine, "before_cursor_execute", strike)
event.listen(database.engine, "commit", strike)
key = SigningKey.generate()
folders = BlobStore(home / "artifacts"), LogStore(home / "logs")
control = Control(database, clock, key, Keyring.of([key.public_key]), *folders, home)

class Asked:
    method = "POST"
    url = type("Url", (), {"path": "/jobs"})

said = JobBody.model_validate(json.loads(body))
actor = Actor("user", operator, Role.OPERATOR)
made = lambda: codec.dump(jobs.submit(control, actor, said))
try:
    Once(Asked(), control, actor, "the same key")(said, made)
except Exception as error:
    print(getattr(error, "code", repr(error)))
"""


def test_a_submission_that_is_killed_at_any_statement_is_done_once(template: Path, tmp_path: Path) -> None:
    folder = tmp_path / "home"
    world = World(folder, template)
    said = {"project": "acme/lab", "name": "once", "spec": {"command": ["run"]}}
    world.database.close()
    killed, ended = 0, ""
    for statement in [1, *sorted(random.Random(3).sample(range(2, 40), 5)), 10_000]:
        command = [sys.executable, "-c", CHILD, str(folder), world.operator.id, str(statement)]
        done = subprocess.run([*command, json.dumps(said)], capture_output=True, text=True, check=False)
        assert done.returncode in (0, -signal.SIGKILL), done.stderr
        killed += done.returncode == -signal.SIGKILL
        ended = done.stdout.strip()
    world.reopen()
    world.database.check()
    with world.control.read() as connection:
        names = [item.name for item in work.workloads(connection)]
        chain = list(records.chain(connection, records.AUDIT))
        audit = [item.action for item in records.audit_entries(connection, limit=1000)]
    world.close()
    assert killed >= 3, "it was killed for real"
    assert ended in ("", "answer_lost")
    assert names == ["once"]
    assert audit.count("job.submit") == 1
    assert all(entry.prev == before.hash for before, entry in itertools.pairwise(chain))
