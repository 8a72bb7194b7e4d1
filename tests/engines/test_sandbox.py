"""A hostile run tries what it can: each attempt works where nothing keeps it apart, or would, and fails
in the sandbox with its neighbours and the machine unharmed."""

import json
import os
import signal
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from bruk.engines.base import EndCause, EngineError, LaunchFailed
from bruk.engines.local import inside, isolation, limits, records, sandbox, seccomp
from bruk.engines.local.engine import LocalEngine
from bruk.engines.local.processes import descendants, process
from bruk.engines.local.slots import LocalConfig
from bruk.model.clock import ManualClock
from bruk.model.run import DeviceSet, Observed
from bruk.model.site import Isolation

from .conftest import Works, wait_for

pytestmark = pytest.mark.skipif(not isolation.settled("auto"), reason="sandboxes do not work on this machine")

KEY = "s3cr3t-of-the-victim"
REFUSED = 42
VICTIM = """
import os, socket, time
listener = socket.create_server(("127.0.0.1", int(os.environ["BRUK_PORT"])))
hidden = socket.socket(socket.AF_UNIX)
hidden.bind("\\0victim-" + os.environ["BRUK_PORT"])
hidden.listen()
print("up", flush=True)
time.sleep(300)
"""
# Each ends with 0 if it got what it wanted; an exception or another end means that it was refused.
BEGINNING = """
import ctypes, errno, os, signal, socket, stat, subprocess, sys, time
home, victim_folder, victim, port, own = sys.argv[1:]
victim, port, arm = int(victim), int(port), os.uname().machine == "aarch64"
libc = ctypes.CDLL(None, use_errno=True)
def refuse(kind, error, trace): print(kind.__name__, error, flush=True); os._exit(42)
sys.excepthook = refuse
"""
ATTEMPTS = {
    "read_the_database": "print(open(home + '/bruk.sqlite3').read())",
    "read_the_keys": "print(os.listdir(home + '/keys'))",
    "list_the_home": "assert 'bruk.sqlite3' in os.listdir(home)",
    "read_the_users_home": "assert set(os.listdir(os.path.expanduser('~root'))) - {'.pyenv'}",
    "read_the_password_file": "assert '/root:' in open('/etc/passwd').read(); open('/etc/shadow')",
    "read_anothers_files": "print(open(victim_folder + '/secret').read())",
    "write_anothers_files": "open(victim_folder + '/planted', 'w').write('x')",
    "find_the_key_in_any_environment": """
for name in os.listdir('/proc'):
    try: text = open('/proc/' + name + '/environ').read()
    except OSError: continue
    if 's3cr3t-of-the' + '-victim' in text: sys.exit(0)
raise LookupError('in none')""",
    "see_another": "assert b'BRUK' in open(f'/proc/{victim}/environ', 'rb').read()",
    "signal_another": "os.kill(victim, signal.SIGCONT)",
    "trace_another": "assert libc.ptrace(0x4206, victim, 0, 0) == 0, ctypes.get_errno()",
    "reach_anothers_port": "socket.create_connection(('127.0.0.1', port), 5)",
    "reach_an_abstract_socket": "s = socket.socket(socket.AF_UNIX); s.connect('\\0victim-' + str(port))",
    "write_its_own_record": "open(own + '/engine/1/end.json', 'w').write('{}')",
    "ask_its_own_supervisor_to_wait": "open(own + '/engine/1/stop.json', 'w').write('{}')",
    "read_the_records_by_a_link": "os.symlink(own + '/engine/1', own + '/l'); open(own + '/l/record.json')",
    "read_the_home_by_a_link": "os.symlink(home, own + '/h'); open(own + '/h/bruk.sqlite3')",
    "read_the_home_by_proc_root": "open('/proc/1/root' + home + '/bruk.sqlite3')",
    "trace_its_sandbox": "assert libc.ptrace(0x4206, 1, 0, 0) == 0, ctypes.get_errno()",
    "take_its_sandboxs_files": "assert libc.syscall(438, os.pidfd_open(1), 3, 0) >= 0, ctypes.get_errno()",
    "change_the_kernel": "assert os.access('/proc/sys/kernel/core_pattern', os.W_OK)",
    "press_sysrq": "assert os.access('/proc/sysrq-trigger', os.W_OK)",
    "write_the_software": "assert os.access(os.path.dirname(os.__file__), os.W_OK)",
    "write_the_root": "os.close(os.open('/planted-by-a-test', os.O_CREAT)); os.unlink('/planted-by-a-test')",
    "write_into_dev": "open('/dev/planted-by-a-test', 'w').close(); os.unlink('/dev/planted-by-a-test')",
    "mount": "assert libc.mount(b'/', own.encode(), None, 4096, None) == 0; libc.umount2(own.encode(), 2)",
    "make_a_user_namespace": "assert libc.unshare(0x10000000) == 0, ctypes.get_errno()",
    "become_root": "assert os.geteuid() == 0",
    "use_the_kernels_keys": "assert libc.syscall(219 if arm else 250, 0, -3, 1) > 0",
    "make_a_device": "os.mknod(own + '/d', stat.S_IFBLK, os.makedev(7, 0)); os.unlink(own + '/d')",
    "reach_the_network": """
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.connect(('192.0.2.1', 9))""",
    "reach_the_hypervisor": "socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM)",
    "find_the_machines_name": "assert socket.gethostname() != 'bruk'",
}
# These need root, or what this machine does not have, to succeed outside a sandbox.
ONLY_IN_A_SANDBOX = {
    "trace_its_sandbox",
    "take_its_sandboxs_files",
    "read_the_home_by_proc_root",
    "press_sysrq",
    "use_the_kernels_keys",
    "reach_the_hypervisor",
    "reach_the_network",
}
NEEDS_ROOT = {
    *("read_the_users_home", "change_the_kernel", "write_the_software", "write_the_root", "write_into_dev"),
    *("mount", "become_root", "make_a_device", "read_the_password_file"),
}


class Neighbours:
    """A platform's home, a victim and an attacker."""

    def __init__(self, works: Works) -> None:
        self.works = works
        self.engine = works.engine()
        self.home = works.folder / "home"
        (self.home / "keys").mkdir(parents=True)
        (self.home / "bruk.sqlite3").write_text("the ledger")
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]
        env = {"PATH": os.environ["PATH"], "BRUK_PORT": str(self.port), "BRUK_REPLICA_KEY": KEY}
        launch = works.launch(VICTIM, "run-b", env=env, placement=_device(1), ports=(self.port,))
        (works.folder / "run-b" / "secret").write_text("the victim's")
        self.victim = self.engine.launch(launch)
        works.said(self.engine, self.victim, "up")
        leaf = [each for each in descendants([works.record("run-b").pid]) if not descendants([each.pid])]
        self.victim_pid = leaf[0].pid

    def attack(self, script: str, **more: object) -> tuple[int | None, str]:
        """The attacker's exit status and what it said."""
        own = self.works.folder / "run-a"
        given = (self.home, self.works.folder / "run-b", self.victim_pid, self.port, own)
        command = (sys.executable, "-c", BEGINNING + script, *map(str, given))
        handle = self.engine.launch(self.works.command(command, "run-a", **more))
        status = self.works.end(self.engine, handle)
        return status.exit_code, self.engine.logs(handle, 0, 10**5)[0].decode("utf-8", "replace")

    def unharmed(self) -> bool:
        status = self.engine.poll([self.victim])[0]
        kept = (self.works.folder / "run-b" / "secret").read_text() == "the victim's"
        whole = (self.home / "bruk.sqlite3").read_text() == "the ledger"
        return status.observed is Observed.RUNNING and status.processes == 1 and kept and whole


def _device(index: int) -> tuple[DeviceSet, ...]:
    return (DeviceSet("node-1", (index,)),)


@pytest.fixture
def neighbours(works: Works) -> Neighbours:
    return Neighbours(works)


@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_a_hostile_run_is_refused(neighbours: Neighbours, attempt: str) -> None:
    kept_apart = neighbours.works.isolation == "sandbox"
    if not kept_apart and (attempt in ONLY_IN_A_SANDBOX or (attempt in NEEDS_ROOT and os.geteuid() != 0)):
        pytest.skip("does not succeed, or not for everybody, outside a sandbox either")
    code, said = neighbours.attack(ATTEMPTS[attempt])
    assert (code == 0) is not kept_apart, said
    if kept_apart:
        assert code == REFUSED, said
        assert neighbours.unharmed()
        assert not (neighbours.works.folder / "run-b" / "planted").exists()


IN_A_SANDBOX = "assert b'inside.py' in open('/proc/1/cmdline', 'rb').read() and os.getpid() < 100\n"


def test_killing_everything_it_can_reach_kills_only_itself(boxed: Works) -> None:
    neighbours = Neighbours(boxed)
    script = f"""{IN_A_SANDBOX}
subprocess.Popen(["sleep", "300"])
os.kill(-1, signal.SIGKILL)
os.kill(1, signal.SIGKILL)
print("alive")
sys.exit(7)
"""
    assert neighbours.attack(script) == (7, "alive\n")
    assert neighbours.unharmed()


def test_a_fork_bomb_is_ended(boxed: Works) -> None:
    boxed.config = replace(boxed.config, processes_max=100)
    neighbours = Neighbours(boxed)
    script = f"""{IN_A_SANDBOX}
signal.signal(signal.SIGTERM, signal.SIG_IGN)
for _ in range(12):
    try:
        if os.fork() == 0: os.setsid()
    except OSError:
        pass
time.sleep(300)
"""
    own = boxed.folder / "run-a"
    command = (sys.executable, "-c", BEGINNING + script, str(neighbours.home), str(own), "1", "1", str(own))
    handle = neighbours.engine.launch(boxed.command(command, "run-a"))
    status = boxed.end(neighbours.engine, handle)
    assert (status.exit_code, status.cause, status.processes) == (137, EndCause.PROCESSES, 0)
    assert "100 were allowed" in status.detail
    assert boxed.left(handle) == []
    assert neighbours.unharmed()


def test_a_run_on_few_cores_may_have_fewer_tasks(boxed: Works) -> None:
    engine = boxed.engine()
    handle = engine.launch(boxed.launch("import resource; print(*resource.getrlimit(resource.RLIMIT_NPROC))"))
    assert boxed.end(engine, handle).exit_code == 0
    cores = os.cpu_count() or 1
    most = min(16 * boxed.config.processes_max, max(1024, 256 * cores))
    assert boxed.said(engine, handle, f"{most} {most}")


@pytest.mark.skipif(
    not os.access(limits.PIDS / "cgroup.procs", os.W_OK),
    reason="no pids controller of cgroup v1 that is ours",
)
def test_where_the_kernel_counts_tasks_it_bounds_them(boxed: Works) -> None:
    engine = boxed.engine()
    handle = engine.launch(boxed.launch("import time; print('up', flush=True); time.sleep(60)"))
    boxed.said(engine, handle, "up")
    record = boxed.record()
    group = limits.PIDS / f"bruk-run-a-1-{record.pid}"
    assert (group / "pids.max").read_text().strip() == str(inside.tasks_max(boxed.config.processes_max))
    assert (group / "cgroup.procs").read_text().split()
    engine.stop(handle, 0)
    boxed.end(engine, handle)
    wait_for(lambda: not group.exists())


def test_memory_that_nobody_counts_is_bounded(boxed: Works) -> None:
    script = """
import os
for folder in ("/tmp", "/dev/shm"):
    written = 0
    with open(folder + "/fill", "wb", buffering=0) as file:
        try:
            while written < 400_000_000: written += file.write(bytes(1_000_000))
        except OSError as error:
            print(folder, error.errno, written <= 70_000_000, flush=True)
    os.unlink(folder + "/fill")
"""
    engine = boxed.engine()
    handle = engine.launch(boxed.launch(script, memory_bytes=100_000_000))
    assert boxed.end(engine, handle).exit_code == 0
    assert engine.logs(handle, 0, 1000)[0].decode().splitlines() == ["/tmp 28 True", "/dev/shm 28 True"]


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to plant it")
def test_a_setuid_program_gives_nothing(boxed: Works) -> None:
    folder = boxed.folder / "run-a"
    folder.mkdir()
    (folder / "id").write_bytes(Path("/usr/bin/id").read_bytes())
    os.chown(folder / "id", 1, 1)
    os.chmod(folder / "id", 0o6755)
    engine = boxed.engine()
    handle = engine.launch(boxed.shell("./id -u; ./id -ru; grep -E 'CapEff|CapBnd|NoNew' /proc/self/status"))
    boxed.end(engine, handle)
    said = engine.logs(handle, 0, 1000)[0].decode().split()
    assert said == ["65534", "65534", "CapEff:", "0" * 16, "CapBnd:", "0" * 16, "NoNewPrivs:", "1"]


def test_what_a_run_chooses_does_not_steer_bubblewrap(boxed: Works) -> None:
    folder = boxed.folder / "run-a"
    folder.mkdir()
    (folder / "bwrap").write_text("#!/bin/sh\ntouch escaped\nexec sleep 300\n")
    (folder / "bwrap").chmod(0o755)
    env = {"PATH": f"{folder}:/usr/bin", "LD_PRELOAD": str(folder / "none.so"), "KEY": KEY}
    engine = boxed.engine()
    handle = engine.launch(
        boxed.command(("sh", "-c", 'echo "up $LD_PRELOAD"; exec sleep 300', KEY), "run-a", env=env)
    )
    boxed.said(engine, handle, f"up {folder}/none.so")
    outer = next(each for each in descendants([boxed.record().pid]) if each.parent == boxed.record().pid)
    variables = Path(f"/proc/{outer.pid}/environ").read_bytes().rstrip(b"\0").split(b"\0")
    assert {each.partition(b"=")[0] for each in variables} == {b"PATH", b"LC_ALL", b"BRUK_RUN_MARK"}
    assert KEY.encode() not in Path(f"/proc/{outer.pid}/cmdline").read_bytes()
    assert not (folder / "escaped").exists()


def test_a_killed_supervisor_takes_its_sandbox_along(boxed: Works) -> None:
    engine = boxed.engine()
    handle = engine.launch(boxed.shell("trap '' TERM HUP; (setsid env -i sleep 300 &); echo up; sleep 300"))
    boxed.said(engine, handle, "up")
    record = boxed.record()
    pids = [each.pid for each in descendants([record.pid])]
    assert len(pids) == 5
    os.kill(record.pid, signal.SIGKILL)
    wait_for(lambda: not any(process(pid) for pid in pids))
    assert boxed.end(engine, handle).observed is Observed.LOST


def test_a_killed_first_process_ends_the_run_and_says_so(boxed: Works) -> None:
    engine = boxed.engine()
    handle = engine.launch(boxed.shell("echo up; sleep 300"))
    boxed.said(engine, handle, "up")
    outer = next(each for each in descendants([boxed.record().pid]) if each.parent == boxed.record().pid)
    os.kill(descendants([outer.pid])[0].pid, signal.SIGKILL)
    status = boxed.end(engine, handle)
    assert (status.observed, status.exit_code) == (Observed.EXITED, 137)
    assert "sandbox was ended" in status.detail


@pytest.mark.parametrize("where", ["engine", "home", "link", "root"])
def test_folders_that_would_show_the_engine_are_refused(boxed: Works, where: str) -> None:
    engine = boxed.engine()
    (boxed.folder / "run-a").mkdir()
    (boxed.folder / "link").symlink_to(boxed.folder / "run-a")
    shown = {
        "engine": boxed.folder / "engine",
        "home": boxed.folder,
        "link": boxed.folder / "link",
        "root": Path("/"),
    }
    with pytest.raises(LaunchFailed, match="folder"):
        engine.launch(boxed.shell("exit 0", writable=(shown[where],)))
    assert list(engine.handles()) == []


@pytest.mark.parametrize("where", ["", "keys", "sites/a/runs/run-b/outputs", "sites/a/runs/run-a/data"])
def test_of_the_platforms_folders_a_run_is_shown_its_own_alone(boxed: Works, where: str) -> None:
    home = boxed.folder / "platform"
    (home / where).mkdir(parents=True)
    own = home / "sites/a/runs/run-a"
    own.mkdir(parents=True, exist_ok=True)
    boxed.config = replace(boxed.config, private=(home,))
    launch = boxed.command(("true",), "run-a", folder=own, workdir=own, writable=(), readable=(home / where,))
    if where.endswith("run-a/data"):
        engine = boxed.engine()
        assert boxed.end(engine, engine.launch(launch)).exit_code == 0
        return
    with pytest.raises(LaunchFailed, match="platform's own folder"):
        boxed.engine().launch(launch)


def test_software_beside_the_platforms_home_is_refused(boxed: Works) -> None:
    boxed.config = replace(boxed.config, software=(boxed.folder,))
    with pytest.raises(EngineError, match="move the platform's home"):
        boxed.engine()


def test_a_readable_folder_can_be_read_and_not_written(boxed: Works) -> None:
    data = boxed.folder / "data"
    data.mkdir()
    (data / "file").write_text("content")
    engine = boxed.engine()
    handle = engine.launch(
        boxed.shell(f"cat {data}/file; touch {data}/new && echo written", readable=(data,))
    )
    boxed.end(engine, handle)
    assert engine.logs(handle, 0, 100)[0].startswith(b"content")
    assert os.listdir(data) == ["file"]


@pytest.mark.parametrize("path", ["relative", "/etc", "/", "/proc", "/tmp", "/srv/../etc"])
def test_folders_that_are_no_runs_are_refused(boxed: Works, path: str) -> None:
    engine = boxed.engine()
    with pytest.raises(LaunchFailed, match="folder"):
        engine.launch(boxed.shell("exit 0", readable=(Path(path),)))
    assert list(engine.handles()) == []


def test_a_working_folder_among_the_platforms_is_refused(boxed: Works) -> None:
    (boxed.folder / "keys").mkdir()
    boxed.config = replace(boxed.config, private=(boxed.folder / "keys",))
    with pytest.raises(LaunchFailed, match="platform's own folder"):
        boxed.engine().launch(boxed.shell("exit 0", workdir=boxed.folder / "keys"))


def test_the_engine_says_what_it_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def found(choice: str) -> Isolation:
        config = LocalConfig(slots=1, accelerators=False, isolation=choice)
        return LocalEngine(tmp_path, ManualClock(), config).inventory().isolation

    assert [found(choice) for choice in isolation.CHOICES] == [
        Isolation.SANDBOX,
        Isolation.NONE,
        Isolation.SANDBOX,
    ]
    broken = tmp_path / "bin" / "bwrap"
    broken.parent.mkdir()
    broken.write_text("#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\nexit 1\n")
    broken.chmod(0o755)
    for path, reason in ((broken.parent, "No permissions"), (tmp_path, "no bwrap")):
        monkeypatch.setenv("PATH", str(path))
        assert found("auto") is Isolation.NONE
        with pytest.raises(EngineError, match=reason):
            found("sandbox")


def test_the_filter_refuses_by_number_and_lets_the_rest_pass() -> None:
    for machine in seccomp.TABLES:
        program = seccomp.program(machine)
        assert len(program) % 8 == 0
        assert len(program) // 8 < 256  # Jumps are one byte wide.
        assert len(set(seccomp.TABLES[machine][2])) == 24
    assert seccomp.program("riscv64") == b""


def test_software_is_shown_and_homes_are_not() -> None:
    shown = sandbox.software()
    assert all(os.path.isabs(path) for path in shown)
    assert not any(path in ("/", os.path.expanduser("~"), str(Path.cwd())) for path in shown)


def test_records_of_before_the_sandbox_are_read(tmp_path: Path) -> None:
    old = {"pid": 1, "start": 2, "boot_id": "b", "started_at_ms": 3, "memory_by": "none"}
    (tmp_path / "record.json").write_text(json.dumps(old))
    record = records.read_record(tmp_path)
    assert record is not None
    assert record.isolation == "none"


def test_a_compat_program_is_ended(boxed: Works) -> None:
    """Another instruction set's system calls have other numbers, which the filter does not know."""
    source = boxed.folder / "run-a" / "compat.c"
    source.parent.mkdir()
    source.write_text(
        'int main(void) { int r; __asm__("int $0x80" : "=a"(r) : "a"(20)); return r > 0 ? 0 : 1; }'
    )
    built = subprocess.run(["cc", "-o", source.with_suffix(""), source], capture_output=True, check=False)
    if built.returncode != 0:
        pytest.skip("needs a C compiler for x86-64")
    engine = boxed.engine()
    handle = engine.launch(boxed.command((str(source.with_suffix("")),), "run-a"))
    assert boxed.end(engine, handle).exit_code == 128 + signal.SIGSYS
