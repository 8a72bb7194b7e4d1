"""Reading tables that other systems wrote: every error names the file and the line.

Nothing in a file is believed: columns may be missing, numbers malformed, negative or absurd, text no
text. What cannot be used is refused, never guessed. Look next at `openb`.
"""

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bruk.model.errors import InvalidInput

ROWS_MAX = 5_000_000
NUMBER_MAX = 10**12
_NUMBER = re.compile(r"[0-9]{1,13}")


class TraceInvalid(InvalidInput):
    """A file of a trace cannot be used as it is; the message names the file and the line."""

    code = "trace_invalid"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a table.

    Attributes:
        number: its place in the file, the heading being line 1.
    """

    file: Path
    number: int
    cells: dict[str, str]

    def text(self, column: str) -> str:
        """What stands in a column; empty where the table has no such column."""
        return self.cells.get(column, "").strip()

    def count(self, column: str, most: int = NUMBER_MAX) -> int:
        """A whole number from 0.

        Raises:
            TraceInvalid: it is not one, or larger than ``most``.
        """
        written = self.text(column)
        if not _NUMBER.fullmatch(written) or int(written) > most:
            raise self.wrong(f"{column} is {written[:40]!r}, not a whole number from 0 to {most}")
        return int(written)

    def wrong(self, what: str) -> TraceInvalid:
        """The error that something is wrong with this line."""
        return TraceInvalid(
            f"{self.file}, line {self.number}: {what}.", file=str(self.file), line=self.number
        )


def read_table(file: Path, columns: Sequence[str]) -> Iterator[Line]:
    """The lines below the heading of a comma-separated file that has at least these columns.

    Raises:
        TraceInvalid: a column is missing, a line has more or fewer cells than the heading, there is no
            line at all, or it is no text.
        OSError: the file cannot be read.
    """
    number = 1
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.reader(stream, strict=True)
            heading = [name.strip() for name in next(reader, [])]
            missing = [column for column in columns if column not in heading]
            if missing:
                raise TraceInvalid(
                    f"{file}, line 1: the columns {', '.join(missing)} are missing.", file=str(file), line=1
                )
            found = False
            for cells in reader:
                number = reader.line_num
                if not cells:
                    continue
                line = Line(file, number, dict(zip(heading, cells, strict=False)))
                if len(cells) != len(heading):
                    raise line.wrong(f"{len(cells)} cells under a heading of {len(heading)}")
                if number > ROWS_MAX:
                    raise line.wrong(f"more than {ROWS_MAX} lines")
                found = True
                yield line
    except UnicodeDecodeError:
        raise TraceInvalid(f"{file}: it is not UTF-8 text.", file=str(file)) from None
    except csv.Error as error:
        raise TraceInvalid(f"{file}, line {number + 1}: {error}.", file=str(file), line=number + 1) from None
    if not found:
        raise TraceInvalid(f"{file}: there is nothing below the heading.", file=str(file))
