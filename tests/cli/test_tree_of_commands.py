"""Every command there should be is there, says what it does, and takes --json."""

import os
import subprocess
import sys

import pytest
import typer.main

from bruk.cli.main import app

WORDS = """
up; demo; agent; gateway; status; login; doctor; version; off; on; submit; ps; why; logs; cancel;
site add; site ls; site show; site set; site power;
node ls; node drain; node undrain; tenant add; tenant ls; tenant show;
tenant set; access request; access ls; access show; access approve; access end; access demand;
user add; user ls; user disable; user enable; user login-link; token ls; token end; token rotate;
site token; gateway add; gateway ls; gateway token; project add; project ls; project set;
limit set; limit show; secret set; secret ls; secret rm; key create; key ls;
key expire;
key disable; key rotate; price set; price ls; budget set; budget show; data put; data ls; data get; data rm;
model ls; model show; model gate;
model retire; endpoint create; endpoint attach; endpoint ls; endpoint scale; endpoint rm; receipt ls;
receipt show;
receipt verify; ledger; ledger export; ledger credit; invoice issue; invoice ls; invoice show; invoice verify;
database migrate; database check;
audit ls; audit export; backup; restore; audit verify; twin storm; twin place; twin replay; twin snapshot;
twin explain; twin what-if; twin trace;
signing-key ls; signing-key rotate
"""
EXPECTED = {words.strip() for words in WORDS.split(";")}


def commands(group, prefix: str = "") -> dict[str, object]:
    """Every command by its words; a group that acts on its own counts as one too."""
    found = {}
    for name, command in group.commands.items():
        words = f"{prefix}{name}"
        if hasattr(command, "commands"):
            found |= commands(command, f"{words} ")
            if command.invoke_without_command:
                found[words] = command
        else:
            found[words] = command
    return found


COMMANDS = commands(typer.main.get_command(app))


def test_all_commands_are_there():
    assert set(COMMANDS) == EXPECTED


@pytest.mark.parametrize("words", sorted(EXPECTED))
def test_a_command_says_what_it_does_and_takes_json(words, bruk):
    command = COMMANDS[words]
    assert len(command.help or "") > 10
    options = {flag: param for param in command.params for flag in getattr(param, "opts", ())}
    assert "--json" in options
    for param in command.params:
        if param.name != "help":
            assert getattr(param, "help", ""), f"{words}: {param.name} has no help"
    status, out, err = bruk(*words.split(), "--help")
    assert (status, err) == (0, "")
    assert "--json" in out
    assert words in " ".join(out.split())


def test_the_root_lists_every_command_and_the_exit_statuses(bruk):
    status, out, _ = bruk("--help")
    assert status == 0
    for name in {words.split()[0] for words in EXPECTED}:
        assert f" {name} " in out
    for number in range(9):
        assert f"{number} " in out.split("Exit status")[1]


def test_nothing_heavy_is_imported_before_a_command_asks_for_it():
    code = (
        "import sys; import bruk.cli.main; "
        "heavy = {'httpx', 'fastapi', 'torch', 'sqlalchemy', 'numpy', 'cryptography', "
        "'bruk.sdk', 'bruk.wire', 'bruk.assembly'} & set(sys.modules); "
        "sys.exit(', '.join(sorted(heavy)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_up_says_what_becomes_of_running_jobs(bruk):
    _, out, _ = bruk("up", "--help")
    said = " ".join(out.split())
    assert "Running jobs go on while Bruk is down" in said
    assert "checkpoint" not in said


@pytest.mark.parametrize("line", [["--home", "HERE", "up"], ["up", "--home", "HERE"]])
def test_up_takes_its_home_before_and_behind_the_command(bruk, monkeypatch, tmp_path, line):
    given = []
    monkeypatch.setattr("bruk.assembly.up.up", lambda home, *rest, **more: given.append(home) or {})
    here = str(tmp_path / "here")
    assert bruk(*[here if word == "HERE" else word for word in line])[0] == 0
    assert given == [tmp_path / "here"]


@pytest.mark.parametrize(
    ("line", "expected"),
    [(["demo"], None), (["demo", "--home", "~/d"], "d"), (["--home", "~/d", "demo"], "d")],
)
def test_demo_takes_its_home_before_and_behind_the_command(bruk, monkeypatch, tmp_path, line, expected):
    given = []
    monkeypatch.delenv("BRUK_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr("bruk.cli.demo.demo", lambda home, once, json: given.append(home))
    assert bruk(*line)[0] == 0
    assert given == [expected and tmp_path / expected]


@pytest.mark.parametrize("option", ["--home", "--url", "--token"])
def test_a_global_option_behind_another_command_is_sent_before_it(bruk, option):
    status, _, err = bruk("site", "ls", option, "x")
    assert status == 2
    assert f"'bruk {option} … site ls'" in err


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_knows_the_commands(shell):
    environment = {
        "_BRUK_COMPLETE": f"complete_{shell}",
        "_TYPER_COMPLETE_ARGS": "bruk en",
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
        "COMP_WORDS": "bruk en",
        "COMP_CWORD": "1",
    }
    code = "import sys; from bruk.cli.main import run; run([])"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )
    assert "endpoint" in done.stdout
