"""Geometry of the console's pictures: where lines, ticks and bars go. Pure; templates draw them as SVG.

Look next at the templates ``curve.html`` and ``card.html``.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from bruk.model.jsontext import parse_json

WIDTH, HEIGHT = 720, 260
LEFT, RIGHT, TOP, BOTTOM = 48, 12, 14, 30
POINTS_MAX = 400


@dataclass(frozen=True, slots=True)
class Trace:
    """What one run wrote of its training.

    Attributes:
        points: step and loss, in the order they were written.
        resumed_from_step: where it took up an earlier run's checkpoint; None if it began anew.
        checkpoints: steps at which it saved.
    """

    attempt: int
    points: tuple[tuple[int, float], ...]
    resumed_from_step: int | None = None
    checkpoints: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark on an axis, at a place in the picture."""

    at: float
    label: str


@dataclass(frozen=True, slots=True)
class Line:
    """One run's loss as the points of a polyline."""

    attempt: int
    points: str


@dataclass(frozen=True, slots=True)
class Curve:
    """A loss curve, ready to be drawn."""

    lines: tuple[Line, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    resumes: tuple[Tick, ...]
    last: tuple[float, float]
    first_loss: float
    last_loss: float
    last_step: int
    table: tuple[tuple[int, float], ...] = field(default=())


def read_trace(attempt: int, data: bytes) -> Trace:
    """What a progress file says; lines that are not understood are left out.

    The file comes from a tenant's program, so anything may stand in it.
    """
    points: list[tuple[int, float]] = []
    checkpoints: list[int] = []
    resumed = None
    for line in data.split(b"\n"):
        try:
            said = parse_json(line)
        except ValueError:
            continue
        if not isinstance(said, dict):
            continue
        step, loss = said.get("step"), said.get("loss")
        if not isinstance(step, int) or isinstance(step, bool) or not 0 <= step < 10**12:
            continue
        # The comparison is false for what is no number, and keeps the picture's arithmetic small.
        if isinstance(loss, int | float) and not isinstance(loss, bool) and -1e12 < loss < 1e12:
            points.append((step, float(loss)))
        elif said.get("phase") == "resume":
            resumed = step
        elif said.get("phase") == "checkpoint":
            checkpoints.append(step)
    return Trace(attempt, tuple(points), resumed, tuple(checkpoints))


def curve(traces: Sequence[Trace]) -> Curve | None:
    """The loss over steps, one line for each run; None while there is nothing to draw."""
    drawn = [trace for trace in traces if trace.points]
    everything = [point for trace in drawn for point in trace.points]
    if not everything:
        return None
    steps = [step for step, _ in everything]
    losses = [loss for _, loss in everything]
    x_range = (0.0, float(max(max(steps), 1)))
    y_ticks = ticks(min(losses), max(losses), 4)
    y_range = (y_ticks[0], y_ticks[-1])

    def x(step: float) -> float:
        return _place(step, x_range, LEFT, WIDTH - RIGHT)

    def y(loss: float) -> float:
        return _place(loss, y_range, HEIGHT - BOTTOM, TOP)

    last_step, last_loss = drawn[-1].points[-1]
    return Curve(
        lines=tuple(
            Line(trace.attempt, " ".join(f"{x(step):.1f},{y(loss):.1f}" for step, loss in thin(trace.points)))
            for trace in drawn
        ),
        x_ticks=tuple(Tick(x(value), f"{value:,.0f}") for value in ticks(*x_range, 6) if value <= x_range[1]),
        y_ticks=tuple(Tick(y(value), f"{value:g}") for value in y_ticks),
        resumes=tuple(
            Tick(x(trace.resumed_from_step), f"resumed from step {trace.resumed_from_step:,}")
            for trace in drawn
            if trace.resumed_from_step is not None and trace.resumed_from_step <= x_range[1]
        ),
        last=(x(last_step), y(last_loss)),
        first_loss=drawn[0].points[0][1],
        last_loss=last_loss,
        last_step=last_step,
        table=thin(tuple(sorted(everything)), 12),
    )


def thin(points: tuple[tuple[int, float], ...], most: int = POINTS_MAX) -> tuple[tuple[int, float], ...]:
    """At most so many points, evenly taken, the last always among them."""
    if len(points) <= most:
        return points
    return tuple(points[index * (len(points) - 1) // (most - 1)] for index in range(most))


def ticks(low: float, high: float, about: int) -> list[float]:
    """Round values that hold the range between the first and the last of them."""
    # A range too small for the figures' own digits is drawn as a flat line in a range of one.
    if high - low <= 1e-9 * max(1.0, abs(low), abs(high)):
        low, high = low - 0.5, high + 0.5
    rough = (high - low) / about
    scale = 10.0 ** math.floor(math.log10(rough))
    step = next(scale * factor for factor in (1, 2, 5, 10) if scale * factor >= rough * 0.999)
    first = math.floor(low / step)
    last = math.ceil(high / step - 1e-9)
    return [round(index * step, 12) for index in range(first, last + 1)]


def _place(value: float, span: tuple[float, float], start: float, end: float) -> float:
    return start + (value - span[0]) / (span[1] - span[0]) * (end - start)


@dataclass(frozen=True, slots=True)
class Bar:
    """One figure beside others; ``permille`` of the longest."""

    name: str
    value_micro: int
    permille: int
    is_model: bool


_BASELINES = {
    "uniform_bits_per_byte": "every byte alike",
    "order2_bits_per_byte": "order-2 byte model",
    "gzip_bits_per_byte": "gzip -9, file by file",
    "gzip_stream_bits_per_byte": "gzip -9, one stream",
    "xz_bits_per_byte": "xz -9, file by file",
    "xz_stream_bits_per_byte": "xz -9, one stream",
}


def bars(model: str, figures_micro: dict[str, int]) -> list[Bar]:
    """Bits per byte of the model and of its baselines, fewest first; empty if it was not measured."""
    if "bits_per_byte" not in figures_micro:
        return []
    named: list[tuple[str, int, bool]] = [(model, figures_micro["bits_per_byte"], True)]
    named += [
        (title, figures_micro[name], False) for name, title in _BASELINES.items() if name in figures_micro
    ]
    longest = max(_values(named)) or 1
    return [
        Bar(name, value, max(0, value) * 1000 // longest, own)
        for name, value, own in sorted(named, key=lambda item: (item[1], not item[2]))
    ]


def _values(named: Iterable[tuple[str, int, bool]]) -> list[int]:
    return [value for _, value, _ in named]
