"""Tables fit the terminal: words fold, identifiers stay whole, and rows of a pipe stay one line."""

import pytest

from bruk.cli import output
from bruk.cli.quantity import show_time

JOB = "job_1a204906fb14f5758b1d4e2"
COLUMNS = ["Workload", "~Name", "~Project", "Wanted", ">Runs", "Created"]
ROW = [JOB, "pretrain-a-small-decoder-on-much-text", "acme/research", "run", 3, "2026-11-22 18:41"]


def drawn(monkeypatch, capsys, width, columns=COLUMNS, row=ROW):
    monkeypatch.setattr(output, "PIPE_WIDTH", width)
    output.table(columns, [row])
    return capsys.readouterr().out.splitlines()


def test_a_pipe_gets_each_row_on_one_line(monkeypatch, capsys):
    lines = drawn(monkeypatch, capsys, output.PIPE_WIDTH)
    assert len(lines) == 3
    assert all(str(cell) in lines[2] for cell in ROW)


@pytest.mark.parametrize("width", [60, 80, 100, 120])
def test_a_narrow_table_keeps_what_names_the_row_whole_and_loses_nothing(monkeypatch, capsys, width):
    lines = drawn(monkeypatch, capsys, width)
    assert max(map(len, lines)) <= width
    assert any(line.startswith(f"{JOB} ") for line in lines[2:])
    if width >= 80:
        start, end = lines[0].index("Name"), lines[0].index("Project")
        assert "".join(line[start:end].strip() for line in lines[2:]) == ROW[1]
    if width >= 100:
        assert "2026-11-22 18:41" in lines[2], "a column that fits is not folded"


def test_headings_lose_their_marks_and_cells_their_tricks(monkeypatch, capsys):
    lines = drawn(monkeypatch, capsys, 80, ["~What", ">Count"], ["[bold]x[/] \x1b[2J", None])
    assert lines[0].split() == ["What", "Count"]
    assert lines[2].split() == ["[bold]x[/]", "\ufffd[2J", "-"]


def test_times_in_tables_are_local_and_short(monkeypatch):
    import time

    monkeypatch.setenv("TZ", "Europe/Paris")
    time.tzset()
    try:
        assert show_time(1_795_372_901_999) == "2026-11-22 19:41"
        assert show_time(1_795_372_901_999, seconds=True) == "2026-11-22 19:41:41"
        assert show_time(None) == "-"
        assert show_time(10**17) == f"{10**17} ms"
    finally:
        monkeypatch.undo()
        time.tzset()
