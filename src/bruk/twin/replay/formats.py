"""Traces of jobs that other systems wrote.

* ``gaia``: ``arrival_time, length`` [h] and ``cpus``, taken as devices (umassos/GAIA).
* ``philly``: ``timestamp, duration`` [s] and ``num_gpus``; the owner is ``user`` where there is one.
* ``swf``: the Standard Workload Format, version 2.2 (Chapin et al. 1999): fields by place, ``;`` before
  comments, -1 for what is unknown. Devices are the requested processors, or the allocated ones; the
  time limit is the requested time, the owner the user.
* ``bruk``: the product's own jobs, times in whole milliseconds; see ``COLUMNS``.

A time limit below the true length is raised to it, for the job did run that long. Every error names the
file and the line. A record of ``swf`` whose length or size is unknown, as the format allows, is counted
and left out.
"""

import re
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

from bruk.model.errors import InvalidInput
from bruk.twin.replay.jobs import DEVICES_MAX, TIME_MS_MAX, Jobs, Row
from bruk.twin.trace import ROWS_MAX, Line, TraceInvalid, read_table

HOUR_MS, SECOND_MS = 3_600_000, 1000
_DECIMAL = re.compile(r"[0-9]{1,15}(?:\.[0-9]{1,30})?(?:[eE][-+]?[0-9]{1,2})?", re.ASCII)
_WHOLE = re.compile(r"-?[0-9]{1,15}(?:\.[0-9]{1,9})?", re.ASCII)
SUBMIT, RUN, ALLOCATED, REQUESTED, LIMIT, USER = 1, 3, 4, 7, 8, 11
SWF_FIELDS = 18
# Of the format ``bruk``.
COLUMNS = ("submitted_at_ms", "duration_ms", "nodes", "devices", "project", "priority", "time_limit_ms")
PRIORITY_MAX = 100


def read_gaia(file: Path) -> Jobs:
    """A trace of GAIA.

    Raises:
        TraceInvalid: the file cannot be used.
    """
    lines = read_table(file, ("arrival_time", "length", "cpus"))
    return Jobs.of(
        (_time_ms(line, "arrival_time", HOUR_MS), _time_ms(line, "length", HOUR_MS), _devices(line, "cpus"))
        for line in lines
    )


def read_philly(file: Path) -> Jobs:
    """A trace in the columns that are used for Philly.

    Raises:
        TraceInvalid: the file cannot be used.
    """
    lines = read_table(file, ("timestamp", "duration", "num_gpus"))
    return Jobs.of(
        Row(
            _time_ms(line, "timestamp", SECOND_MS),
            _time_ms(line, "duration", SECOND_MS),
            _devices(line, "num_gpus"),
            owner=line.text("user"),
        )
        for line in lines
    )


def read_bruk(file: Path) -> Jobs:
    """A trace of the product's own jobs.

    Raises:
        TraceInvalid: the file cannot be used.
    """
    return Jobs.of(_bruk_row(line) for line in read_table(file, COLUMNS))


def read_swf(file: Path) -> Jobs:
    """A trace in the Standard Workload Format.

    Raises:
        TraceInvalid: the file cannot be used.
    """
    rows, unusable, number = [], 0, 0
    try:
        with file.open(encoding="utf-8") as stream:
            for number, text in enumerate(stream, start=1):
                fields = text.split(";", 1)[0].split()
                if not fields:
                    continue
                row = _swf_row(Line(file, number, {}), fields)
                if row is None:
                    unusable += 1
                else:
                    rows.append(row)
                if number > ROWS_MAX:
                    raise Line(file, number, {}).wrong(f"more than {ROWS_MAX} lines")
    except UnicodeDecodeError:
        raise TraceInvalid(f"{file}: it is not UTF-8 text.", file=str(file)) from None
    if not rows:
        raise Line(file, max(number, 1), {}).wrong("there is no job above")
    return Jobs.of(rows, unusable)


class UnknownFormat(InvalidInput):
    """A format of traces was named that cannot be read."""

    code = "unknown_format"


FORMATS: dict[str, Callable[[Path], Jobs]] = {
    "gaia": read_gaia,
    "swf": read_swf,
    "philly": read_philly,
    "bruk": read_bruk,
}


def read_jobs(file: Path, kind: str) -> Jobs:
    """The jobs of a trace in the format of this name.

    Raises:
        UnknownFormat: there is none; the message lists those that there are.
        TraceInvalid: the file cannot be used.
        OSError: the file cannot be read.
    """
    if kind not in FORMATS:
        raise UnknownFormat(f"There is no format called {kind!r}. Take one of: {', '.join(FORMATS)}.")
    return FORMATS[kind](file)


def _bruk_row(line: Line) -> Row:
    devices = _devices(line, "nodes") * _devices(line, "devices")
    if devices > DEVICES_MAX:
        raise line.wrong(f"nodes times devices is {devices}, more than {DEVICES_MAX}")
    if not line.text("project"):
        raise line.wrong("project is empty: a job belongs to one")
    return Row(
        line.count("submitted_at_ms", TIME_MS_MAX),
        line.count("duration_ms", TIME_MS_MAX),
        devices,
        line.count("time_limit_ms", TIME_MS_MAX),
        line.text("project"),
        line.count("priority", PRIORITY_MAX),
    )


def _swf_row(line: Line, fields: list[str]) -> Row | None:
    if len(fields) != SWF_FIELDS:
        raise line.wrong(f"{len(fields)} fields where the format has {SWF_FIELDS}")
    wanted = [fields[place] for place in (SUBMIT, RUN, ALLOCATED, REQUESTED, LIMIT, USER)]
    for field in wanted:
        if not _WHOLE.fullmatch(field):
            raise line.wrong(f"{field[:40]!r} is not a number")
    submit, run, allocated, requested, limit, user = (Decimal(field) for field in wanted)
    if submit < 0:
        raise line.wrong(f"the submit time is {submit}, before the trace begins")
    devices = requested if requested > 0 else allocated
    if run < 0 or devices < 1:
        return None
    if devices != int(devices) or devices > DEVICES_MAX:
        raise line.wrong(f"{devices} processors are no number from 1 to {DEVICES_MAX}")
    times = [round(time * SECOND_MS) for time in (submit, run, limit)]
    if max(times) > TIME_MS_MAX:
        raise line.wrong("a time lies beyond three hundred years")
    submit_ms, run_ms, limit_ms = times
    owner = str(user) if user >= 0 else ""
    return Row(submit_ms, run_ms, int(devices), limit_ms if limit_ms > 0 else None, owner)


def _time_ms(line: Line, column: str, unit_ms: int) -> int:
    """A time from zero in its unit, to the nearest millisecond [ms]."""
    written = line.text(column)
    if not _DECIMAL.fullmatch(written):
        raise line.wrong(f"{column} is {written[:40]!r}, not a number from 0")
    exact = Decimal(written) * unit_ms
    if exact > TIME_MS_MAX:
        raise line.wrong(f"{column} is {written[:40]!r}, beyond three hundred years")
    return round(exact)


def _devices(line: Line, column: str) -> int:
    devices = line.count(column, DEVICES_MAX)
    if not devices:
        raise line.wrong(f"{column} is 0: a job needs a {'node' if column == 'nodes' else 'device'}")
    return devices
