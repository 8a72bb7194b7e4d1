"""Reads the shipped tables: one row is one value with its unit, source and date.

It never guesses: a missing column, an empty cell or a repeated value stops the reading and names file and
line. The tables themselves stand in `bruk.data`; `accelerator`, `site`, `carbon` and `price` read them.
"""

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import TYPE_CHECKING

from bruk.model.errors import BrukError

if TYPE_CHECKING:
    import _csv

TABLES = (
    "accelerators",
    "carbon_intensity",
    "energy_price",
    "failures",
    "prices",
    "sites",
    "thresholds",
)
"""The names of all shipped tables."""

_COLUMNS = ("quantity", "value", "unit", "source", "retrieved")


class DataTableBroken(BrukError):
    """A table cannot be read as it stands; the message names file and line."""

    code = "data_table_broken"


@dataclass(frozen=True, slots=True)
class Row:
    """One value of one subject.

    Attributes:
        subject: what the value belongs to: an accelerator, a site, a zone, a resource.
        quantity: which of its properties this is.
        value: the value as it is written in the table [unit].
        unit: its unit; `1` for a pure number, `-` for a name.
        source: where it comes from; begins with `unverified` or `assumed` where nothing backs it.
        retrieved: the day it was looked up, ISO 8601.
    """

    subject: str
    quantity: str
    value: str
    unit: str
    source: str
    retrieved: str

    @property
    def verified(self) -> bool:
        """Whether a document or a measurement backs the value."""
        return not self.source.startswith(("unverified", "assumed"))


@cache
def table(name: str) -> Mapping[str, Mapping[str, Row]]:
    """The rows of a shipped table by subject and quantity, in the order of the file.

    Args:
        name: one of `TABLES`.

    Raises:
        DataTableBroken: when the file is missing or malformed.
    """
    file_name = f"{name}.csv"
    try:
        text = (resources.files("bruk.data") / file_name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataTableBroken(
            f"The table {file_name} cannot be read ({error}). Install Bruk again; it ships with the package."
        ) from error
    return parse_table(text, file_name)


def parse_table(text: str, file_name: str) -> Mapping[str, Mapping[str, Row]]:
    """The rows of a table by subject and quantity.

    Args:
        text: comma-separated text whose first column names the subject and whose others are
            `quantity, value, unit, source, retrieved`.
        file_name: how to call the table in an error.

    Raises:
        DataTableBroken: when a column is missing, a cell is empty or a value stands twice.
    """
    reader = csv.reader(io.StringIO(text))
    header = _cells(reader, file_name) or []
    if tuple(header[1:]) != _COLUMNS:
        raise DataTableBroken(
            f"{file_name}, line 1: the columns must be a subject and then {', '.join(_COLUMNS)}; "
            f"found {', '.join(header) or 'nothing'}."
        )
    subjects: dict[str, dict[str, Row]] = {}
    while (cells := _cells(reader, file_name)) is not None:
        where = f"{file_name}, line {reader.line_num}"
        if len(cells) != len(header) or not all(cell.strip() for cell in cells):
            raise DataTableBroken(f"{where}: every one of {', '.join(header)} needs a value. Fill the row.")
        row = Row(*cells)
        rows = subjects.setdefault(row.subject, {})
        if row.quantity in rows:
            raise DataTableBroken(f"{where}: {row.quantity} of {row.subject} stands twice. Keep one.")
        rows[row.quantity] = row
    return MappingProxyType({subject: MappingProxyType(rows) for subject, rows in subjects.items()})


def _cells(reader: "_csv.Reader", file_name: str) -> list[str] | None:
    """The next line's cells, None at the end."""
    try:
        return next(reader, None)
    except csv.Error as error:
        raise DataTableBroken(f"{file_name}, line {reader.line_num}: {error}. Mend the line.") from None
