"""The page of the command line: every command with its arguments, options and exit statuses."""

import inspect
import re
from collections.abc import Iterator
from typing import Any

import typer

from bruk.cli.exits import MEANINGS
from bruk.cli.main import app
from generator.source import prose, table


def walk() -> Iterator[tuple[str, Any]]:
    """Every command with its full name, groups before what is in them, in the order of the program."""
    root = typer.main.get_command(app)

    def below(name: str, command: Any) -> Iterator[tuple[str, Any]]:
        yield name, command
        for inner in getattr(command, "commands", {}).values():
            yield from below(f"{name} {inner.name}", inner)

    yield from below("bruk", root)


def page() -> str:
    """The whole page."""
    parts = [
        "# Command line\n",
        "`bruk [OPTIONS] COMMAND [ARGUMENTS]`. Global options stand before the command. Options come before"
        " the environment, and the environment before `HOME/cli.json`, which `bruk up` and `bruk login`"
        " write. Every command takes `--json` and then prints one JSON value on standard output; notes and"
        " errors go to standard error.\n",
        "## Exit statuses\n",
        table(["Status", "Meaning"], [[status, meaning] for status, meaning in MEANINGS.items()]),
        "A command stopped by Ctrl-C ends with 130.\n",
        "## Quantities on the command line\n",
        table(
            ["Kind", "How it is written", "Examples"],
            [
                [
                    "Duration",
                    "a number with a unit `ms s m h d w`, several in a row",
                    "`90s`, `1h30m`, `1.5d`",
                ],
                [
                    "Size",
                    "bytes, or a unit of 1000 (`kB MB GB TB`) or 1024 (`KiB MiB GiB TiB`)",
                    "`500MB`, `4GiB`",
                ],
                ["Amount", "EUR with a decimal point and at most six decimals", "`12.50`, `0.000001`"],
                ["Moment", "ISO 8601; local time unless an offset is given", "`2026-11-30T18:00+01:00`"],
                ["Project", "tenant and name", "`acme/research`"],
            ],
        ),
        "## Global options\n",
    ]
    for name, command in walk():
        parts.append(_section(name, command))
    return "\n".join(parts)


def _section(name: str, command: Any) -> str:
    parameters = [item for item in command.params if item.name not in ("help", "json") and not item.hidden]
    arguments = [item for item in parameters if not item.opts[0].startswith("-")]
    options = [item for item in parameters if item.opts[0].startswith("-")]
    level = "##" if " " not in name.removeprefix("bruk ") else "###"
    lines = [] if name == "bruk" else [f"{level} {name}\n", _help(command.help)]
    inner = getattr(command, "commands", {})
    if inner and name != "bruk":
        names = ", ".join(f"[`{one}`](#{name.replace(' ', '-')}-{one})" for one in inner)
        lines.append(f"Commands: {names}.\n")
    if arguments:
        lines.append(table(["Argument", "Meaning"], [[f"`{_metavar(a)}`", _meaning(a)] for a in arguments]))
    if options:
        lines.append(
            table(["Option", "Meaning", "Default"], [[_option(o), _meaning(o), _default(o)] for o in options])
        )
    return "\n".join(lines)


def _help(text: str | None) -> str:
    cleaned = inspect.cleandoc(text or "").replace("\\[", "[")
    blocks = []
    for block in cleaned.split("\n\n"):
        if block.startswith("\b\n"):
            blocks.append("```toml\n" + inspect.cleandoc(block[2:]) + "\n```")
        else:
            blocks.append(prose(" ".join(block.split())))
    joined = "\n\n".join(blocks)
    # The first block of 'bruk submit' is a session, the second a file.
    return re.sub(r"```toml\n(bruk )", r"```console\n\1", joined) + "\n"


def _metavar(item: Any) -> str:
    name = item.metavar or item.name.upper()
    if item.metavar:
        return str(name)
    return str(name) if item.required else f"[{name}]"


def _option(item: Any) -> str:
    names = ", ".join(f"`{name}`" for name in [*item.opts, *item.secondary_opts])
    if getattr(item, "is_flag", False):
        return names
    return f"{names} {_values(item)}".rstrip()


def _values(item: Any) -> str:
    kind = item.type_descriptor.annotation
    if hasattr(kind, "__members__"):
        return "or ".join(f"`{member.value}` " for member in kind)
    bounds = [str(bound) for bound in (item.min, item.max) if bound is not None]
    if len(bounds) == 2:
        return f"{item.min} to {item.max}"
    if bounds:
        return f"from {bounds[0]}" if item.max is None else f"to {bounds[0]}"
    return ""


def _meaning(item: Any) -> str:
    text = " ".join((item.help or "").split())
    if item.envvar:
        text += f" Environment: `{item.envvar}`."
    return text + (" Required." if getattr(item, "required", False) else "")


def _default(item: Any) -> str:
    value = item.default
    if value in (None, "", False, ()) or callable(value):
        return ""
    return f"`{getattr(value, 'value', value)}`"
