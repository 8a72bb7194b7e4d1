"""kill -9 of a writing process, again and again: what it acknowledged is there once, without a gap."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from bruk.journal import Journal

WRITER = """
import asyncio, os, pathlib, sys, threading
from bruk.journal import Journal

journal = Journal.open(pathlib.Path(sys.argv[1]), new_id="journal_1", segment_bytes=4000)
generation = sys.argv[2]

def said(seq, name):
    os.write(1, f"{seq} {name}\\n".encode())

def thread(worker):
    for number in range(100000):
        name = f"{generation}-{worker}-{number}"
        said(journal.append_durable_sync(name.encode()), name)

async def task(worker):
    for number in range(100000):
        name = f"{generation}-{worker}-{number}"
        said(await journal.append_durable(name.encode()), name)

async def main():
    await asyncio.gather(*(task(f"task{worker}") for worker in range(8)))

for worker in range(2):
    threading.Thread(target=thread, args=(f"thread{worker}",), daemon=True).start()
asyncio.run(main())
"""


def run_and_kill(folder: Path, generation: int, answers: int) -> dict[int, str]:
    """Run a writer until it has given this many answers, kill it, and return every answer it gave."""
    command = [sys.executable, "-c", WRITER, str(folder), str(generation)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert process.stdout is not None
    lines: list[bytes] = []
    while len(lines) < answers and (line := process.stdout.readline()):
        lines.append(line)
    os.kill(process.pid, signal.SIGKILL)
    lines += process.stdout.read().splitlines(keepends=True)
    process.stdout.close()
    assert process.wait() == -signal.SIGKILL
    whole = [line.split() for line in lines if line.endswith(b"\n")]
    return {int(seq): name.decode() for seq, name in whole}


def test_everything_acknowledged_survives_kill_9(tmp_path: Path) -> None:
    folder = tmp_path / "journal"
    acknowledged: dict[int, str] = {}
    handed_over: dict[int, str] = {}
    for generation, answers in enumerate((1, 7, 40, 150, 300, 20, 500, 90)):
        answered = run_and_kill(folder, generation, answers)
        assert len(answered) >= answers
        assert not answered.keys() & acknowledged.keys(), "no number is given twice"
        acknowledged.update(answered)
        with Journal.open(folder, new_id="ignored") as journal:
            assert journal.journal_id == "journal_1"
            for record in journal.read_from(journal.acknowledged_seq + 1):
                name = record.payload.decode()
                assert handed_over.setdefault(record.seq, name) == name, "a number never changes its record"
            if generation % 3 == 1:
                journal.acknowledge(journal.durable_seq - 5 if journal.durable_seq > 5 else 0)
    assert sorted(handed_over) == list(range(1, len(handed_over) + 1)), "no gap"
    assert acknowledged.items() <= handed_over.items()
    assert len(set(handed_over.values())) == len(handed_over), "each exactly once"
