"""What commands print: one JSON value, or tables and lines for people.

Everything that came from elsewhere is stripped of control characters first, so that nobody's name
for a thing can move another person's terminal.
"""

import json
import re
import sys
from collections.abc import Iterable, Sequence
from typing import Annotated, Any

import typer

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON value instead of a table.")]

PIPE_WIDTH = 240
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def plain(value: object) -> str:
    """Text of a value for a cell: ``-`` for nothing, yes and no for truth, no control characters."""
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(plain(item) for item in value) or "-"
    return _CONTROL.sub("\ufffd", str(value))


def dumped(value: object) -> Any:
    """A dataclass, a mapping or a sequence of them as JSON-serialisable values."""
    from bruk.wire import codec

    if isinstance(value, dict):
        return {str(key): dumped(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [dumped(item) for item in value]
    return value if value is None or isinstance(value, str | int | float) else codec.dump(value)


def show_json(value: object) -> None:
    """Print one JSON value."""
    typer.echo(json.dumps(dumped(value), indent=2, ensure_ascii=False))


def say(text: str) -> None:
    """Print a line for people."""
    typer.echo(_CONTROL.sub("\ufffd", text))


def note(text: str) -> None:
    """Print a line for people beside the answer, on standard error."""
    typer.echo(_CONTROL.sub("\ufffd", text), err=True)


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, none: str = "None yet.") -> None:
    """Print a table; columns whose heading begins with ``>`` are aligned to the right."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="bold")
    for column in columns:
        right = column.startswith(">")
        drawn.add_column(column.lstrip(">"), justify="right" if right else "left", overflow="fold")
    count = 0
    for row in rows:
        drawn.add_row(*(plain(cell) for cell in row))
        count += 1
    if not count:
        say(none)
        return
    wide = None if sys.stdout.isatty() else PIPE_WIDTH
    # Cells are data: square brackets and emoji names in them are not markup.
    Console(width=wide, highlight=False, markup=False, emoji=False).print(drawn, markup=False)


def fields(pairs: Iterable[tuple[str, object]]) -> None:
    """Print labelled values, one a line."""
    shown = [(label, plain(value)) for label, value in pairs]
    width = max((len(label) for label, _ in shown), default=0)
    for label, value in shown:
        typer.echo(f"{label.ljust(width)}  {value}")
