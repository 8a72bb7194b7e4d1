"""What commands print: one JSON value, or tables and lines for people.

Everything that came from elsewhere is stripped of control characters first, so that nobody's name
for a thing can move another person's terminal.
"""

import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any

import typer

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON value instead of a table.")]

PIPE_WIDTH = 240  # Wide enough that each row stays one line for the next program.
FOLDED_WIDTH_MIN = 8
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


def answer(value: object, text: str, json: bool) -> None:
    """Print what a command did: the value for programs, or a line for people."""
    if json:
        show_json(value)
    else:
        say(text)


def note(text: str) -> None:
    """Print a line for people beside the answer, on standard error."""
    typer.echo(_CONTROL.sub("\ufffd", text), err=True)


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, none: str = "None yet.") -> None:
    """Print a table.

    Columns whose heading begins with ``>`` are aligned to the right. Where the terminal is narrow,
    those that begin with ``~`` are folded first, and the first column, which names the row, last.
    """
    from rich import box
    from rich.cells import cell_len
    from rich.console import Console
    from rich.table import Table

    cells = [[plain(cell) for cell in row] for row in rows]
    if not cells:
        say(none)
        return
    # Cells are data: square brackets and emoji names in them are not markup.
    wide = None if sys.stdout.isatty() else PIPE_WIDTH
    console = Console(width=wide, highlight=False, markup=False, emoji=False)
    headings = [column.lstrip(">~") for column in columns]
    widths = [max(map(cell_len, column)) for column in zip(headings, *cells, strict=True)]
    close = sum(widths) + 3 * (len(columns) - 1) > console.width
    firm = [width for width, column in zip(widths, columns, strict=True) if not column.startswith("~")]
    fits = sum(firm) + FOLDED_WIDTH_MIN * (len(columns) - len(firm)) + 2 * len(columns) <= console.width
    drawn = Table(
        box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="bold", collapse_padding=close
    )
    for column, heading, width in zip(columns, headings, widths, strict=True):
        names_the_row = heading is headings[0] and width <= console.width // 2
        drawn.add_column(
            heading,
            justify="right" if column.startswith(">") else "left",
            overflow="fold",
            no_wrap=names_the_row or (fits and not column.startswith("~")),
        )
    for row in cells:
        drawn.add_row(*row)
    console.print(drawn, markup=False)


def fields(pairs: Iterable[tuple[str, object]]) -> None:
    """Print labelled values, one a line."""
    shown = [(label, plain(value)) for label, value in pairs]
    width = max((len(label) for label, _ in shown), default=0)
    for label, value in shown:
        typer.echo(f"{label.ljust(width)}  {value}")


@contextmanager
def progress(what: str, total: int) -> Iterator[Callable[[], None]]:
    """A bar on standard error, where somebody looks at it; call what it gives for each thing done."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    shown = Progress(*columns, console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty())
    with shown:
        task = shown.add_task(what, total=total)
        yield lambda: shown.advance(task)


@contextmanager
def percent(what: str) -> Iterator[Callable[[int, int], None]]:
    """As ``progress``, by what was done of how much, in steps of a hundredth."""
    with progress(what, 100) as advance:
        shown = 0

        def told(done: int, total: int) -> None:
            nonlocal shown
            while shown < 100 * done // max(total, 1):
                advance()
                shown += 1

        yield told
