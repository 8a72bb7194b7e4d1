"""Runs the operator's session in ``docs/start/session.md`` against a fresh ``bruk up``.

``python docs/session.py`` replays it and compares; ``--write`` replaces the output in the page by what
was printed now. Identifiers, times and measured amounts differ from run to run: both sides are compared
after each such value has been replaced by the number of its first appearance, so that the same identifier
must still be the same in both places. An identifier in a command is replaced by the one of this run.

A comment ``<!-- until: TEXT -->`` before a block repeats its command until the output has the text, or
all texts where ``&&`` stands between them.
"""

import contextlib
import difflib
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

PAGE = Path(__file__).parent / "start" / "session.md"
BIN = Path(sys.executable).parent
WAIT_S = 60.0
END = "--end-of-command--"
_BLOCK = re.compile(r"(?:<!-- until: (?P<until>.*?) -->\n)?```console\n(?P<body>.*?)```\n", re.S)

# Kind, and what it looks like; the first that fits counts. All of the kind "" become the same.
_VALUES: list[tuple[str, str]] = [
    ("time", r"\d{4}-\d\d-\d\d \d\d:\d\d(?::\d\d)?(?:\+00:00| UTC)?"),
    ("id", r"\b(?:job|run|acc|art|hold|rcpt|user|key|ep|eval)_[0-9a-f]{23}\b"),
    ("hash", r"\b[0-9a-f]{64}\b"),
    ("fingerprint", r"(?<=[Kk]ey )[0-9a-f]{16}\b"),
    ("secret", r"(?<![\w-])(?:bk_)?[\w-]{8}…"),
    ("step", r"(?<=step )\d+"),
    ("", r"\b\d[\d,]*\.\d{2,6}\b"),
    ("", r"(?<=device_time   cpu-slot)\s+[\d,]+"),
    ("", r"\b[\d,]+ (?=bytes|entries)"),
    ("", r"(?<=entry )\d+(?=, head)"),
    ("", r"(?<=Entries: )\d+"),
    ("", r"(?<=  )(?:none|sandbox)$"),  # what the machine can do to keep runs apart
    ("", r"(?<=entry 5 of )\d+"),
    ("", r"(?<=at line )\d+, entry \d+(?=: Key)"),
    ("", r"^\s+\d+(?= +\d{4}-)"),
]
_VALUE = re.compile("|".join(f"(?P<v{n}>{pattern})" for n, (_, pattern) in enumerate(_VALUES)), re.M)
_SECRET = re.compile(r"(?<![\w/-])(bk_[\w-]{8}|[\w-]{8})[\w-]{32,}(?![\w-])")


@dataclass
class Names:
    """Placeholders for what differs between runs, numbered in the order of first appearance."""

    numbers: dict[tuple[str, str], str] = field(default_factory=dict)

    def of(self, kind: str, value: str) -> str:
        """The placeholder of a value."""
        if not kind:
            return "<N>"
        if kind == "time":
            return "<time>"
        count = sum(1 for known, _ in self.numbers if known == kind)
        return self.numbers.setdefault((kind, value), f"<{kind} {count + 1}>")

    def value(self, placeholder: str) -> str | None:
        """The value that a placeholder stands for."""
        return next((value for (_, value), name in self.numbers.items() if name == placeholder), None)

    def normal(self, text: str) -> str:
        """Text with placeholders, spaces and rules drawn short, and equal neighbouring lines once."""

        def replaced(match: re.Match[str]) -> str:
            assert match.lastgroup is not None, "every alternative is a group"
            return self.of(_VALUES[int(match.lastgroup[1:])][0], match[0])

        lines: list[str] = []
        for line in _VALUE.sub(replaced, text).splitlines():
            short = re.sub(r"─+", "─", " ".join(line.split()))
            if not lines or lines[-1] != short:
                lines.append(short)
        return "\n".join(lines)


@dataclass(frozen=True)
class Step:
    """One command of the page with the output that stands under it."""

    command: str
    output: str
    until: str = ""


def steps(page: str) -> list[Step]:
    """Every command of a page, in order."""
    found = []
    for block in _BLOCK.finditer(page):
        for piece in re.split(r"^\$ ", block["body"], flags=re.M)[1:]:
            command, *rest = piece.splitlines()
            while rest and rest[0].startswith("> "):
                command += "\n" + rest.pop(0)[2:]
            found.append(Step(command, "\n".join(rest), block["until"] or ""))
    return found


class Shell:
    """One bash in a folder of its own, with Bruk's commands on its path and a fresh Bruk behind them."""

    def __init__(self, folder: Path, env: dict[str, str]) -> None:
        self._bash = subprocess.Popen(
            ["bash", "--noprofile", "--norc"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env=env,
            text=True,
            start_new_session=True,
        )

    def run(self, command: str) -> str:
        """What a command printed; a last line names its exit status where that is not 0."""
        assert self._bash.stdin is not None, "it is a pipe"
        assert self._bash.stdout is not None, "it is a pipe"
        # A command that waits for what never comes is ended with everything that it started.
        alarm = threading.Timer(WAIT_S, os.killpg, (self._bash.pid, signal.SIGKILL))
        alarm.start()
        try:
            return self._answer(command)
        finally:
            alarm.cancel()

    def _answer(self, command: str) -> str:
        assert self._bash.stdin is not None, "it is a pipe"
        assert self._bash.stdout is not None, "it is a pipe"
        self._bash.stdin.write(f"{{ {command}\n}} </dev/null\nprintf '%s %s\\n' '{END}' $?\n")
        self._bash.stdin.flush()
        lines: list[str] = []
        for line in self._bash.stdout:
            text, mark, status = line.rstrip("\n").partition(END)
            if mark:
                lines += [text] if text else []
                lines += [f"(exit status {int(status)})"] if int(status) else []
                return "\n".join(item.rstrip() for item in lines)
            lines.append(text)
        raise RuntimeError(f"the shell ended, or {WAIT_S:.0f} s were over, in: {command}")

    def close(self) -> None:
        """End the shell."""
        assert self._bash.stdin is not None, "it is a pipe"
        with contextlib.suppress(BrokenPipeError):
            self._bash.stdin.close()
        self._bash.wait(10)
        assert self._bash.stdout is not None, "it is a pipe"
        self._bash.stdout.close()


@contextmanager
def fresh_bruk() -> Iterator[tuple[Shell, str]]:
    """A shell beside a Bruk that runs in a new home, and the address of its gateway."""
    with tempfile.TemporaryDirectory(prefix="bruk-session-") as folder:
        home = Path(folder, "home")
        env = {name: value for name, value in os.environ.items() if not name.startswith("BRUK_")}
        env |= {
            "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
            "BRUK_HOME": str(home),
            "BRUK_SLOTS": "2",
            "TZ": "UTC",
            "LANG": "C.UTF-8",
        }
        work = Path(folder, "work")
        work.mkdir()
        log = Path(folder, "up.log")
        with log.open("w") as output:
            up = subprocess.Popen(
                [BIN / "bruk", "up", "--port", "0", "--gateway-port", "0"],
                stdout=output,
                stderr=output,
                env=env,
                cwd=folder,
            )
        shell = None
        try:
            end = time.monotonic() + WAIT_S
            while "Bruk is up." not in (said := log.read_text()) or "Gateway" not in said:
                if up.poll() is not None or time.monotonic() > end:
                    raise RuntimeError(f"'bruk up' did not come up:\n{said}")
                time.sleep(0.1)
            shell = Shell(work, env)
            found = re.search(r"Gateway\s+(http://127\.0\.0\.1:\d+)", said)
            assert found is not None, "the welcome names the gateway"
            yield shell, found[1]
        finally:
            if shell is not None:
                shell.close()
            up.terminate()
            up.wait(WAIT_S)


def told(text: str, gateway: str, home: str) -> str:
    """Output as it stands in the page: default ports and folders, secrets cut short."""
    text = text.replace(gateway, "http://127.0.0.1:8611").replace(home, "~/.bruk")
    text = re.sub(r"http://127\.0\.0\.1:(?!8611)\d+", "http://127.0.0.1:8610", text)
    return _SECRET.sub(lambda match: f"{match[1]}…" if not _plain(match[0]) else match[0], text)


def _plain(text: str) -> bool:
    """Whether a long word is a hash or a pattern of one kind of character, and no secret."""
    return bool(re.fullmatch(r"[0-9a-f]{64}", text)) or "─" in text or not re.search(r"[A-Z0-9]", text)


def replay(page: str) -> Iterator[tuple[Step, str, str, str]]:
    """Every step with what it printed now, and both outputs in comparable form."""
    expected, actual = Names(), Names()
    with fresh_bruk() as (shell, gateway):
        home = shell.run('printf "%s\\n" "$BRUK_HOME"')
        for step in steps(page):
            command = step.command.replace("http://127.0.0.1:8611", gateway)
            for match in _VALUE.finditer(step.command):
                kind = _VALUES[int(str(match.lastgroup)[1:])][0]
                now = actual.value(expected.of(kind, match[0])) if kind else None
                command = command.replace(match[0], now or match[0])
            end = time.monotonic() + WAIT_S
            while True:
                said = told(shell.run(command), gateway, home)
                if all(text in said for text in step.until.split(" && ")):
                    break
                if time.monotonic() > end:
                    raise RuntimeError(f"{step.until!r} never came from: {step.command}\n{said}")
                time.sleep(0.3)
            yield step, said, expected.normal(step.output), actual.normal(said)


def differences(page: str) -> list[str]:
    """What a replay printed otherwise than the page says."""
    found = []
    for step, _, before, now in replay(page):
        if before != now:
            lines = difflib.unified_diff(
                before.splitlines(), now.splitlines(), "the page", "now", lineterm=""
            )
            found.append("\n".join([f"$ {step.command}", *lines]))
    return found


def rewritten(page: str) -> str:
    """The page with the output of a replay."""
    outputs = [said for _, said, _, _ in replay(page)]
    position = 0

    def block(match: re.Match[str]) -> str:
        nonlocal position
        pieces = []
        for step in steps(match[0]):
            shown = step.command.replace("\n", "\n> ")
            pieces.append("\n".join(part for part in (f"$ {shown}", outputs[position]) if part))
            position += 1
        until = f"<!-- until: {match['until']} -->\n" if match["until"] else ""
        return f"{until}```console\n" + "\n".join(pieces) + "\n```\n"

    return _BLOCK.sub(block, page)


def main() -> int:
    page = PAGE.read_text("utf-8")
    if "--write" in sys.argv[1:]:
        PAGE.write_text(rewritten(page), "utf-8")
        return 0
    found = differences(page)
    print("\n\n".join(found) or "The session is as the page says.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
