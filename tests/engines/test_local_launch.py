"""What reaches a run's command: its arguments, its environment, its cores, and nothing else."""

import json
import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from bruk.engines.base import LaunchFailed
from bruk.engines.local.slots import LocalConfig
from bruk.model.run import DeviceSet

from .conftest import Works

TELLS = """
import json, os, resource, signal, sys
print(json.dumps({
    "arguments": sys.argv[1:], "environment": dict(os.environ), "cwd": os.getcwd(),
    "files": sorted(int(n) for n in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{n}")),
    "cores": sorted(os.sched_getaffinity(0)), "stdin": sys.stdin.read(),
    "session": os.getsid(0) == os.getpid(), "core_dump": resource.getrlimit(resource.RLIMIT_CORE)[0],
    "masked": len(signal.pthread_sigmask(signal.SIG_BLOCK, [])), "nice": os.nice(0),
    "ignored": [n for n in (1, 2, 10, 13, 15, 17) if signal.getsignal(n) is signal.SIG_IGN],
}))
"""
WEIRD = (
    "",
    " ",
    "a b",
    "$HOME `id` $(id) ; rm -rf / && *",
    "\"quoted\" 'twice'",
    "line\nfeed\ttab",
    "--flag=å∂ƒ",
    "漢字 🏭",
    "\\",
    "\udcff\udc80",
    "x" * 50_000,
)


def told(works: Works, *arguments: str, **more: object) -> dict[str, object]:
    engine = works.engine()
    launch = works.command((sys.executable, "-c", TELLS, *arguments), "run-a", **more)
    handle = engine.launch(launch)
    assert works.end(engine, handle).exit_code == 0
    content: dict[str, object] = json.loads(engine.logs(handle, 0, 10**6)[0])
    return content


def test_weird_arguments_arrive_unharmed(works: Works) -> None:
    assert told(works, *WEIRD)["arguments"] == list(WEIRD)


def test_the_environment_is_the_orders_and_three_marks(works: Works, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_OF_THE_AGENT", "do not pass on")
    given = {"PATH": os.environ["PATH"], "GREETING": "hej å\n=;$x", "EMPTY": "", "PYTHONUTF8": "1"}
    environment = told(works, env=given)["environment"]
    assert isinstance(environment, dict)
    marks = {"BRUK_RUN_ID": "run-a", "BRUK_RUN_GENERATION": "1", "BRUK_RUN_MARK": works.mark("run-a.1")}
    environment.pop("LC_CTYPE", None)  # Python may add it for itself at its start (PEP 538).
    assert environment == given | marks


def test_nothing_is_inherited(works: Works) -> None:
    reader, writer = os.pipe()
    os.set_inheritable(reader, True)
    os.set_inheritable(writer, True)
    try:
        content = told(works)
    finally:
        os.close(reader)
        os.close(writer)
    assert content["files"] == [0, 1, 2]
    assert content["stdin"] == ""
    assert content["cwd"] == str(works.folder / "run-a")
    assert content["session"] is True
    assert (content["core_dump"], content["masked"], content["nice"]) == (0, 0, 0)
    # Python itself ignores SIGPIPE at its start.
    assert content["ignored"] == [13]


def test_a_run_is_bound_to_the_cores_of_its_slots(works: Works) -> None:
    usable = sorted(os.sched_getaffinity(0))
    works.config = LocalConfig(slots=len(usable), accelerators=False)
    assert told(works)["cores"] == usable[:1]


def test_the_order_with_its_secrets_does_not_stay_on_disk(works: Works) -> None:
    told(works, env={"PATH": os.environ["PATH"], "BRUK_REPLICA_KEY": "s3cr3t-of-a-replica"})
    for path in works.at().iterdir():
        assert b"s3cr3t-of-a-replica" not in path.read_bytes() or path.name == "output.log"
    assert works.at().stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"command": ("/nonexistent",)}, "No such file"),
        ({"command": ("/etc/passwd",)}, "Permission denied"),
        ({"command": ()}, "no command"),
        ({"command": ("true", "a\0b")}, "NUL"),
        ({"env": {"A=B": "c"}}, "variable"),
        ({"env": {"": "c"}}, "variable"),
        ({"workdir": Path("/nonexistent/workdir")}, "enter the folder"),
        ({"run": "../escape"}, "file name"),
        ({"run": "a/b"}, "file name"),
        ({"placement": (DeviceSet("elsewhere", (0,)),)}, "no node 'elsewhere'"),
        ({"placement": (DeviceSet("node-1", (7,)),)}, "devices 0 to 1"),
    ],
)
def test_what_cannot_run_is_refused_with_its_reason(
    works: Works, change: dict[str, object], reason: str
) -> None:
    engine = works.engine()
    launch = replace(works.shell("exit 0"), **change)  # type: ignore[arg-type]
    with pytest.raises(LaunchFailed, match=reason):
        engine.launch(launch)
    assert list(engine.handles()) == []


def test_a_folder_that_cannot_be_written_fails_the_launch(works: Works) -> None:
    engine = works.engine()
    (works.folder / "file").write_text("")
    with pytest.raises(LaunchFailed, match="recorded"):
        engine.launch(replace(works.shell("exit 0"), folder=works.folder / "file"))
    assert list(engine.handles()) == []


def test_logs_can_be_followed_while_the_run_speaks(works: Works) -> None:
    engine = works.engine()
    script = "for i in 1 2 3; do echo line $i; while [ ! -e go$i ]; do sleep 0.02; done; done; echo err >&2"
    handle = engine.launch(works.shell(script))
    heard, offset = b"", 0
    for number in (1, 2, 3):
        works.said(engine, handle, f"line {number}")
        data, offset = engine.logs(handle, offset, 1000)
        heard += data
        assert heard.endswith(f"line {number}\n".encode())
        (works.folder / "run-a" / f"go{number}").touch()
    works.end(engine, handle)
    data, offset = engine.logs(handle, offset, 1000)
    assert heard + data == b"line 1\nline 2\nline 3\nerr\n"
    assert engine.logs(handle, offset, 1000) == (b"", offset)
    assert engine.logs(handle, offset + 999, 1000) == (b"", offset + 999)
