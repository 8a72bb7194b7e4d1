"""Pictures of what the twin found: lines over two axes as SVG, alone or in a page of its own.

It must never load anything from elsewhere: the file is the whole picture.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from bruk.console.charts import ticks
from bruk.model.errors import InvalidInput

WIDTH, HEIGHT = 760, 420
LEFT, RIGHT, TOP, BOTTOM = 64, 24, 48, 52
COLOURS = ("#0b6e4f", "#c8553d", "#2a4d8f", "#8f6a2a")
POINTS_MAX = 600
SUFFIXES = (".svg", ".html")


class PictureUnknown(InvalidInput):
    """A picture was asked for in a format that is not drawn."""

    code = "picture_unknown"


@dataclass(frozen=True, slots=True)
class Axes:
    """What a picture says beside its lines."""

    title: str
    across: str
    up: str


def check_suffix(file: Path) -> None:
    """Refuse a file that cannot be drawn, before the work is done.

    Raises:
        PictureUnknown: its name ends neither in .svg nor in .html.
    """
    if file.suffix.lower() not in SUFFIXES:
        raise PictureUnknown(f"{file} ends neither in .svg nor in .html, which are what is drawn.")


def draw(file: Path, axes: Axes, lines: Sequence[tuple[str, Sequence[tuple[float, float]]]]) -> None:
    """Write named lines to a file, in the format that its name asks for.

    Raises:
        PictureUnknown: see ``check_suffix``.
        OSError: the file cannot be written.
    """
    check_suffix(file)
    picture = svg(axes, lines)
    if file.suffix.lower() == ".html":
        head = f'<meta charset="utf-8"><title>{escape(axes.title)}</title>'
        picture = f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body>\n{picture}</body></html>\n'
    file.write_text(picture, encoding="utf-8")


def svg(axes: Axes, lines: Sequence[tuple[str, Sequence[tuple[float, float]]]]) -> str:
    """The lines as one SVG element."""
    points = [point for _, line in lines for point in line] or [(0.0, 0.0)]
    across = ticks(0.0, max(x for x, _ in points), 7)
    up = ticks(min(0.0, *(y for _, y in points)), max(y for _, y in points), 6)

    def x(value: float) -> float:
        return LEFT + (value - across[0]) / (across[-1] - across[0]) * (WIDTH - LEFT - RIGHT)

    def y(value: float) -> float:
        return HEIGHT - BOTTOM - (value - up[0]) / (up[-1] - up[0]) * (HEIGHT - TOP - BOTTOM)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img"'
        f' font-family="sans-serif" font-size="13">',
        f"<title>{escape(axes.title)}</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        _text(LEFT, 24, axes.title, size=16),
        _text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 10, axes.across, anchor="middle"),
        _text(LEFT, TOP - 8, axes.up),
    ]
    for value in across:
        parts.append(_rule(x(value), TOP, x(value), HEIGHT - BOTTOM))
        parts.append(_text(x(value), HEIGHT - BOTTOM + 18, f"{value:g}", anchor="middle"))
    for value in up:
        parts.append(_rule(LEFT, y(value), WIDTH - RIGHT, y(value)))
        parts.append(_text(LEFT - 8, y(value) + 4, f"{value:g}", anchor="end"))
    for number, (name, line) in enumerate(lines):
        colour = COLOURS[number % len(COLOURS)]
        drawn = " ".join(f"{x(a):.1f},{y(b):.1f}" for a, b in _thinned(line))
        parts.append(f'<polyline points="{drawn}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts.append(_text(WIDTH - RIGHT - 8, HEIGHT - BOTTOM - 12 - 18 * number, name, "end", fill=colour))
    return "\n".join([*parts, "</svg>", ""])


def _thinned(line: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """At most about ``POINTS_MAX`` points of a line, the last always among them."""
    step = max(1, len(line) // POINTS_MAX)
    return [*line[::step], line[-1]] if line else []


def _text(x: float, y: float, text: str, anchor: str = "start", size: int = 13, fill: str = "#222") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" fill="{fill}">'
        f"{escape(text)}</text>"
    )


def _rule(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="#ddd"/>'
