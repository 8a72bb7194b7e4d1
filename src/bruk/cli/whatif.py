"""What would happen to a running system if something happened."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bruk.cli import output
from bruk.cli.output import JsonOption
from bruk.cli.quantity import duration_ms, moment_ms, show_grams, show_kwh, show_moment, watts
from bruk.model.errors import InvalidInput
from bruk.model.switch import HoldScope

if TYPE_CHECKING:
    from bruk.twin.whatif.compare import WhatIfAnswer
    from bruk.twin.whatif.events import WhatIf

SPAN = "24h"
_WHEN = r"(?:(?: (?:from|at) (?P<begin>\S+))?(?: for (?P<span>\S+))?)"
_POWER = re.compile(rf"power (?P<site>\S+) (?P<limit>-\d{{1,3}} ?%|\S+){_WHEN}")
_OFF = re.compile(rf"off (?:(?P<scope>platform|site|tenant)(?: (?P<target>\S+?))?|(?P<site>\S+)){_WHEN}")
_LOSE = re.compile(rf"lose (?P<site>[^\s/]+)(?:/(?P<node>\S+))?{_WHEN}")
_CLOCK = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")


FileArgument = Annotated[
    Path,
    typer.Argument(metavar="SNAPSHOT.json", help="As 'bruk twin snapshot' keeps it.", show_default=False),
]
EventOption = Annotated[
    list[str],
    typer.Option("--event", metavar="EVENT", help="What happens; repeat.", show_default=False),
]


def what_if(
    file: FileArgument,
    event: EventOption,
    span: Annotated[str, typer.Option("--span", help="How far to look ahead.")] = SPAN,
    plot: Annotated[
        Path | None, typer.Option("--plot", help="Draw the sites' power into this .svg or .html.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Say what would happen to a running system, to whom, compared with nothing happening.

    \b
    power borlange -30% from 18:00 for 3h    a site may draw 30 % less than it may now, or draws
    power borlange 20MW from 18:00           a site may draw so much
    off essonne at 20:00 for 30m             a site, 'tenant NAME' or the platform is switched off
    lose essonne/n17 at +10m                 a node dies with what runs there; without a node, all

    Without 'from' or 'at' it happens at once, without 'for' it lasts. 18:00 is the next after the snapshot,
    by local time. Runs last until their time limits, and nobody submits anything new.
    """
    from bruk.twin.explain import read_snapshot
    from bruk.twin.picture import Axes, check_suffix, draw
    from bruk.twin.whatif.compare import what_if as compare

    if plot is not None:
        check_suffix(plot)
    snapshot = read_snapshot(file)
    events = [read_event(text, snapshot.now_ms) for text in event]
    with output.percent("percent played") as told:
        answer = compare(snapshot, events, snapshot.now_ms + duration_ms(span), told)
    _show(answer, json)
    if plot is not None:
        axes = Axes(f"What if: {'; '.join(event)}", "minutes from the snapshot", "power of what runs [kW]")
        lines = []
        for site, (before, after) in answer.power_w.items():
            if before != after:
                lines.append((site, _points(before)))
                lines.append((f"{site}, if", _points(after)))
        draw(plot, axes, lines)
        output.note(f"The picture is in {plot}.")


def read_event(text: str, now_ms: int) -> "WhatIf":
    """An event as an operator writes it.

    Raises:
        InvalidInput: it is none; the message shows how they are written.
    """
    from bruk.twin.whatif.events import Lost, PowerChanged, SwitchedOff

    cleaned = " ".join(text.split())
    if match := _POWER.fullmatch(cleaned):
        begin_ms, until_ms = _times(match, now_ms)
        limit = match["limit"]
        if limit.startswith("-"):
            percent = int(limit.strip("-% "))
            if percent > 100:
                raise InvalidInput(f"{text!r}: no site draws less than nothing")
            return PowerChanged(match["site"], None, percent, begin_ms, until_ms)
        return PowerChanged(match["site"], watts(limit), 0, begin_ms, until_ms)
    if match := _OFF.fullmatch(cleaned):
        begin_ms, until_ms = _times(match, now_ms)
        scope = HoldScope(match["scope"] or "site")
        target = "*" if scope is HoldScope.PLATFORM else match["target"] or match["site"]
        if not target or (scope is HoldScope.PLATFORM and match["target"]):
            raise _no_event(text)
        return SwitchedOff(scope, target, begin_ms, until_ms)
    if match := _LOSE.fullmatch(cleaned):
        return Lost(match["site"], match["node"] or "", *_times(match, now_ms))
    raise _no_event(text)


def _no_event(text: str) -> InvalidInput:
    return InvalidInput(
        f"{text!r} is no event; write it like 'power borlange -30% from 18:00 for 3h', 'off essonne at 20:00'"
        " or 'lose essonne/n17 at +10m'"
    )


def _times(match: re.Match[str], now_ms: int) -> tuple[int, int | None]:
    begin = match["begin"]
    if begin is None:
        begin_ms = now_ms
    elif begin.startswith("+"):
        begin_ms = now_ms + duration_ms(begin[1:])
    elif clock := _CLOCK.fullmatch(begin):
        begin_ms = _next(int(clock[1]), int(clock[2]), now_ms)
    else:
        begin_ms = moment_ms(begin)
    if begin_ms < now_ms:
        raise InvalidInput(f"{begin!r} lies before the snapshot, which is of {show_moment(now_ms)}")
    span = match["span"]
    return begin_ms, None if span is None else begin_ms + duration_ms(span)


def _next(hour: int, minute: int, now_ms: int) -> int:
    """The next time that clocks here show this [ms]."""
    now = datetime.fromtimestamp(now_ms / 1000, UTC).astimezone()
    at = now.replace(hour=hour, minute=minute, second=0, microsecond=0)
    if at < now:
        at += timedelta(days=1)
    return round(at.timestamp() * 1000)


def _points(power_w: list[int]) -> list[tuple[float, float]]:
    return [(float(minute), value / 1000) for minute, value in enumerate(power_w)]


def _show(answer: "WhatIfAnswer", json: bool) -> None:
    if json:
        from bruk.wire import codec

        output.show_json(codec.dump(answer))
        return
    output.table(
        ["At", "~What", "~Workload", "~Project", "~Site", "~Because"],
        (
            [show_moment(line.at_ms), line.what, line.workload, line.project, line.site, line.detail]
            for line in answer.lines
        ),
        none="Nothing would happen that would not happen anyhow.",
    )
    if answer.delays:
        output.table(
            ["Job", "~Project", "Would end", "Ends instead"],
            ([row.workload, row.project, _end(row.before_ms), _end(row.after_ms)] for row in answer.delays),
        )
    output.table(
        ["Site", ">Peak kW", ">if", ">Energy", ">if", ">Carbon", ">if"],
        (
            [
                row.site,
                *(f"{power_w / 1000:,.1f}" for power_w in row.peak_w),
                *(show_kwh(energy_j) for energy_j in row.energy_j),
                *(show_grams(carbon_mg) for carbon_mg in row.carbon_mg),
            ]
            for row in answer.sites
        ),
    )
    output.table(
        ["Tenant", ">Device hours", ">if"],
        (
            [tenant, *(f"{device_ms / 3_600_000:,.2f}" for device_ms in both)]
            for tenant, both in answer.device_ms.items()
        ),
    )


def _end(at_ms: int | None) -> str:
    return "not in this time" if at_ms is None else show_moment(at_ms)
