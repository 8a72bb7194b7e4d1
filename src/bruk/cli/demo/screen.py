"""What the demo shows: plain sentences, a live loss, small tables. On stderr when JSON is asked for."""

from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

# How many sentences tell of a training where nothing can be drawn.
PARTS = 5
# Columns of tables where no terminal says how many it has.
WIDTH = 110
SPARKS = "▁▂▃▄▅▆▇█"


class Screen:
    """Where the story is told."""

    def __init__(self, to_stderr: bool) -> None:
        self.console = Console(stderr=to_stderr, highlight=False, soft_wrap=True)
        if not self.console.is_terminal:
            self.console.width = WIDTH
        self._step = 0

    def step(self, title: str) -> None:
        """The heading of the next step."""
        self._step += 1
        self.console.print(f"\n[bold]{self._step}. {title}[/bold]")

    def say(self, text: str) -> None:
        """One plain sentence."""
        self.console.print(f"   {text}", markup=False)

    def refused(self, what: str, words: str) -> None:
        """Something that was refused, as it should be."""
        self.console.print(f"   [green]refused[/green] {what}:", end=" ")
        self.console.print(words, markup=False, style="dim")

    def table(self, headings: list[str], rows: list[list[str]], texts: int = 1) -> None:
        """A small table; the first ``texts`` columns are text, the others are figures."""
        table = Table(box=None, padding=(0, 2), pad_edge=True)
        for index, heading in enumerate(headings):
            table.add_column(heading, justify="left" if index < texts else "right", no_wrap=True)
        for row in rows:
            table.add_row(*row)
        self.console.print(table)

    def training(self, watch: Callable[[Callable[[dict[str, Any]], None]], object]) -> None:
        """Show a job's steps and loss while ``watch`` runs; it is given the function to report to."""
        losses: list[float] = []
        if not self.console.is_terminal:
            self._plain_training(watch)
            return
        with Progress(
            TextColumn("  "),
            SpinnerColumn(),
            BarColumn(bar_width=30),
            TextColumn("{task.fields[words]}"),
            TimeElapsedColumn(),
            console=self.console,
        ) as progress:
            task = progress.add_task("", total=None, words="waiting for a place")

            def report(line: dict[str, Any]) -> None:
                loss = line.get("loss")
                if isinstance(loss, int | float) and (not losses or losses[-1] != loss):
                    losses.append(float(loss))
                step, steps = line.get("step"), line.get("steps")
                phase = line.get("phase") or ""
                words = str(phase)
                if losses and step is not None:
                    words = f"step {step} of {steps}  loss {losses[-1]:.3f}  {sparkline(losses)}"
                progress.update(task, completed=step, total=steps, words=words)

            watch(report)

    def _plain_training(self, watch: Callable[[Callable[[dict[str, Any]], None]], object]) -> None:
        """A sentence at every fifth of the steps, where nothing can be drawn over."""
        said = -1

        def report(line: dict[str, Any]) -> None:
            nonlocal said
            step, steps, loss = line.get("step"), line.get("steps"), line.get("loss")
            if step is None or not steps or not isinstance(loss, int | float):
                return
            part = int(step) * PARTS // int(steps)
            if part > said:
                said = part
                self.say(f"step {step} of {steps}, loss {loss:.3f}")

        watch(report)


def sparkline(values: list[float], width: int = 24) -> str:
    """Values as a line of block characters, newest last."""
    if len(values) > width:
        stride = len(values) / width
        values = [values[int(index * stride)] for index in range(width - 1)] + values[-1:]
    low, high = min(values), max(values)
    span = (high - low) or 1.0
    return "".join(SPARKS[int((value - low) / span * (len(SPARKS) - 1))] for value in values)


def euros(microeur: int) -> str:
    """Micro-euro as EUR with every digit."""
    return f"{microeur / 1_000_000:.6f}"
