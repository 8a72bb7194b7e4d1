"""The geometry of pictures: everything inside the frame, whatever a program wrote."""

import json

from hypothesis import given
from hypothesis import strategies as st

from bruk.console import charts


def _points(line):
    return [tuple(float(number) for number in pair.split(",")) for pair in line.points.split()]


@given(st.lists(st.tuples(st.integers(0, 10**9), st.floats(-1e11, 1e11)), min_size=1, max_size=500))
def test_a_curve_stays_in_its_frame(points):
    curve = charts.curve([charts.Trace(1, tuple(points), resumed_from_step=points[0][0])])
    assert curve is not None
    assert len(_points(curve.lines[0])) == min(len(points), charts.POINTS_MAX)
    for x, y in [*_points(curve.lines[0]), curve.last]:
        assert charts.LEFT - 0.1 <= x <= charts.WIDTH - charts.RIGHT + 0.1
        assert charts.TOP - 0.1 <= y <= charts.HEIGHT - charts.BOTTOM + 0.1
    assert curve.last_loss == points[-1][1]


@given(st.binary(max_size=400))
def test_any_bytes_are_read_without_harm(data):
    charts.curve([charts.read_trace(1, data)])


def test_what_is_no_step_or_no_loss_is_left_out():
    lines = [
        {"step": 1, "loss": 4.5},
        {"step": "2", "loss": 4},
        {"step": True, "loss": 4},
        {"step": -1, "loss": 4},
        {"step": 3, "loss": "low"},
        {"step": 3, "loss": 10**400},
        {"phase": "checkpoint", "step": 3},
        {"phase": "resume", "step": 2},
        [1],
        None,
    ]
    data = "\n".join(json.dumps(line) for line in lines) + '\n{"step": 4, "loss": NaN}\n{"st' + "[" * 100_000
    trace = charts.read_trace(2, data.encode())
    assert trace == charts.Trace(2, ((1, 4.5),), 2, (3,))


def test_nothing_to_draw_is_no_curve():
    assert charts.curve([]) is None
    assert charts.curve([charts.Trace(1, ())]) is None


def test_ticks_are_round_and_hold_the_range():
    assert charts.ticks(1.7, 10.2, 4) == [0, 5, 10, 15]
    assert charts.ticks(0, 400, 6) == [0, 100, 200, 300, 400]
    assert charts.ticks(3, 3, 4)[0] <= 3 <= charts.ticks(3, 3, 4)[-1]


def test_bars_begin_with_the_fewest_bits():
    found = charts.bars("mine", {"bits_per_byte": 1_700_000, "gzip_bits_per_byte": 2_000_000, "seconds": 9})
    assert [(bar.name, bar.permille, bar.is_model) for bar in found] == [
        ("mine", 850, True),
        ("gzip -9, file by file", 1000, False),
    ]
    assert charts.bars("mine", {"accuracy": 1}) == []
