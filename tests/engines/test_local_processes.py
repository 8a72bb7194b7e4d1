"""Processes are known by number and start time together, and never mistaken."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bruk.engines.local.processes import alive, descendants, end_strays, process, send

from .conftest import wait_for

SCRIPT = (
    "import subprocess, time\nsubprocess.Popen(['sleep', '300'])\nprint('up', flush=True)\ntime.sleep(300)"
)


@pytest.fixture
def family() -> Iterator[subprocess.Popen[bytes]]:
    parent = subprocess.Popen([sys.executable, "-c", SCRIPT], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    parent.stdout.readline()
    try:
        yield parent
    finally:
        end_strays("nobody", [each.identity for each in descendants([parent.pid])])
        parent.kill()
        parent.wait()
        parent.stdout.close()


def test_descendants_are_found_without_their_root(family: subprocess.Popen[bytes]) -> None:
    found = descendants([family.pid])
    assert [each.parent for each in found] == [family.pid]
    assert family.pid in [each.pid for each in descendants([os.getpid()])]


def test_a_process_with_another_start_time_is_left_alone(family: subprocess.Popen[bytes]) -> None:
    found = process(family.pid)
    assert found is not None
    assert not send(found.pid, found.start + 1, signal.SIGKILL)
    assert end_strays("nobody", [(found.pid, found.start + 1)]) == 0
    assert alive(*found.identity)
    assert send(found.pid, found.start, signal.SIGKILL)
    wait_for(lambda: not alive(*found.identity))


def test_a_zombie_is_not_alive() -> None:
    child = subprocess.Popen(["true"])
    wait_for(lambda: process(child.pid) is None)
    assert child.returncode is None, "not waited for yet"
    assert not send(child.pid, 0, signal.SIGTERM)
    child.wait()


def test_a_name_with_spaces_and_parentheses_is_read_right(tmp_path: Path) -> None:
    odd = tmp_path / "a) R 1 (b c"
    odd.symlink_to("/bin/sleep")
    child = subprocess.Popen([str(odd), "300"])
    try:
        wait_for(lambda: b"a) R 1" in Path(f"/proc/{child.pid}/stat").read_bytes())
        found = process(child.pid)
        assert found is not None
        assert (found.pid, found.parent) == (child.pid, os.getpid())
    finally:
        child.kill()
        child.wait()


def test_the_supervisor_imports_the_standard_library_and_its_own_room_alone() -> None:
    code = (
        "import sys; before = set(sys.modules); import bruk.engines.local.supervisor\n"
        "new = {name for name in set(sys.modules) - before}\n"
        "outside = {n for n in new if n.split('.')[0] not in sys.stdlib_module_names | {'bruk'}}\n"
        "print(sorted(outside), sorted(n for n in new if n.startswith('bruk')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    local = ["child", "inside", "limits", "log", "processes", "records", "sandbox", "sandboxed", "seccomp"]
    local.append("supervisor")
    names = ["bruk", "bruk.engines", "bruk.engines.local", *(f"bruk.engines.local.{name}" for name in local)]
    assert done.stdout.strip() == f"[] {names}"
