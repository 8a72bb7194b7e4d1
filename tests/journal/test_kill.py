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

news = threading.Event()

def said(seq, name):
    os.write(1, f"acknowledged {seq} {name}\\n".encode())
    news.set()

def hand_over():
    while news.wait():
        news.clear()
        for record in journal.read_from(journal.acknowledged_seq + 1):
            os.write(1, f"handed_over {record.seq} {record.payload.decode()}\\n".encode())
            journal.acknowledge(record.seq)

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

if sys.argv[3] == "hand_over":
    threading.Thread(target=hand_over, daemon=True).start()
for worker in range(2):
    threading.Thread(target=thread, args=(f"thread{worker}",), daemon=True).start()
asyncio.run(main())
"""


def run_and_kill(folder: Path, generation: int, lines_min: int, mode: str) -> dict[str, dict[int, str]]:
    """Run a writer until it has said this many lines, kill it, and return everything it said."""
    command = [sys.executable, "-c", WRITER, str(folder), str(generation), mode]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert process.stdout is not None
    lines: list[bytes] = []
    while len(lines) < lines_min and (line := process.stdout.readline()):
        lines.append(line)
    os.kill(process.pid, signal.SIGKILL)
    lines += process.stdout.read().splitlines(keepends=True)
    process.stdout.close()
    assert process.wait() == -signal.SIGKILL
    said: dict[str, dict[int, str]] = {"acknowledged": {}, "handed_over": {}}
    for line in lines:
        if line.endswith(b"\n"):
            what, seq, name = line.decode().split()
            assert said[what].setdefault(int(seq), name) == name, "a number never changes its record"
    return said


def test_everything_acknowledged_survives_kill_9(tmp_path: Path) -> None:
    folder = tmp_path / "journal"
    acknowledged: dict[int, str] = {}
    handed_over: dict[int, str] = {}
    for generation, answers in enumerate((1, 7, 40, 150, 300, 20, 500, 90)):
        answered = run_and_kill(folder, generation, answers, "write")["acknowledged"]
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


def test_hand_over_survives_kill_9(tmp_path: Path) -> None:
    folder = tmp_path / "journal"
    acknowledged: dict[int, str] = {}
    received: dict[int, str] = {}

    def receive(seq: int, name: str) -> None:
        assert received.setdefault(seq, name) == name, "a number never changes its record"

    for generation, lines in enumerate((3, 100, 700, 41, 900, 350)):
        said = run_and_kill(folder, generation, lines, "hand_over")
        acknowledged.update(said["acknowledged"])
        for seq, name in said["handed_over"].items():
            receive(seq, name)
        with Journal.open(folder, new_id="ignored") as journal:
            assert journal.acknowledged_seq <= max(received, default=0), "nothing is skipped"
    with Journal.open(folder, new_id="ignored") as journal:
        for record in journal.read_from(journal.acknowledged_seq + 1):
            receive(record.seq, record.payload.decode())
    assert sorted(received) == list(range(1, len(received) + 1)), "no gap"
    assert acknowledged.items() <= received.items()
