"""What holds of every placement rule."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bruk.scheduler.fleet import RULES, Fleet, FleetNode, Setting, Shape, UnknownRule, rows, rule
from bruk.scheduler.fleet.rows import Rows


def room(fleet, shape, node):
    """Whether a node has room, said in the plainest way."""
    if shape.models and fleet.models[fleet.model[node]] not in shape.models:
        return False
    devices = [left for left in fleet.device_milli[node] if left >= shape.device_milli]
    return bool(
        fleet.usable[node]
        and fleet.cpu_milli[node] >= shape.cpu_milli
        and fleet.memory_bytes[node] >= shape.memory_bytes
        and len(devices) >= shape.devices
    )


@given(data=st.data())
def test_a_rule_takes_a_node_with_room_and_nothing_only_when_there_is_none(lab, data):
    fleet = data.draw(lab.fleets())
    shapes = data.draw(st.lists(lab.shapes, min_size=1, max_size=25))
    chosen = lab.rule(data.draw(st.sampled_from(lab.rules)), fleet, shapes)
    for shape in shapes:
        chosen.arrived(shape)
        fitting = [node for node in range(len(fleet)) if room(fleet, shape, node)]
        choice = chosen.choose(shape)
        if choice is None:
            assert fitting == []
            continue
        node, devices = choice
        assert node in fitting
        assert sorted(chosen.scores(shape)) == fitting
        assert all(fleet.device_milli[node, device] >= shape.device_milli for device in devices)
        fleet.take(shape, node, devices)


@given(data=st.data())
def test_kept_scores_equal_new_ones(lab, data):
    fleet = data.draw(lab.fleets())
    shapes = data.draw(st.lists(lab.shapes, min_size=1, max_size=6))
    name = data.draw(st.sampled_from([name for name in lab.rules if name != "random"]))
    chosen = lab.rule(name, fleet, shapes)
    holdings = []
    for step in data.draw(st.lists(st.integers(0, 99), max_size=60)):
        shape = shapes[step % len(shapes)]
        for _ in range(20):  # So many that what is learnt is renewed on the way.
            chosen.arrived(shape)
        kind = step % 7
        if kind == 0 and holdings:
            fleet.give_back(holdings.pop(step % len(holdings)))
        elif kind == 1:
            fleet.set_usable(step % len(fleet), step % 2 == 0)
        elif (choice := chosen.choose(shape)) is not None:
            holdings.append(fleet.take(shape, *choice))
        for asked in shapes:
            assert chosen.scores(asked) == Rows(fleet, chosen).scores(asked)


@given(data=st.data())
def test_the_best_score_wins_and_of_equals_the_first_in_turn(lab, data):
    fleet = data.draw(lab.fleets())
    shape = data.draw(lab.shapes)
    name = data.draw(st.sampled_from([name for name in lab.rules if name != "random"]))
    chosen = lab.rule(name, fleet, [shape])
    choice = chosen.choose(shape)
    if choice is not None:
        scores = chosen.scores(shape)
        best = min(scores.values())
        turn = {node: (node * 7) % 11 for node in range(len(fleet))}
        assert choice[0] == min((node for node in scores if scores[node] == best), key=turn.__getitem__)


def test_rows_that_are_not_kept_are_made_anew(lab, monkeypatch):
    def play(rows_max):
        monkeypatch.setattr(rows, "ROWS_MAX", rows_max)
        fleet = Fleet([FleetNode(f"n{index}", 64_000, 1_000, 4, "A") for index in range(20)])
        chosen = lab.rule("bruk", fleet, seed=3)
        found = []
        for index in range(300):
            shape = Shape(500 * (index % 11), 1, 1, 100 + 90 * (index % 7))
            chosen.arrived(shape)
            found.append(chosen.choose(shape))
            if found[-1] is not None:
                fleet.take(shape, *found[-1])
        return found

    assert play(2) == play(1_000)


def test_equal_requests_in_equal_worlds_are_placed_alike(lab):
    def play(name):
        fleet = Fleet([FleetNode(f"n{index}", 64_000, 1_000, 4, "AB"[index % 2]) for index in range(20)])
        shapes = [Shape(1_000 * (i % 5), i % 3, 1, 100 + 90 * (i % 10)) for i in range(200)]
        chosen = lab.rule(name, fleet, shapes, seed=3)
        found = []
        for shape in shapes:
            chosen.arrived(shape)
            found.append(chosen.choose(shape))
            if found[-1] is not None:
                fleet.take(shape, *found[-1])
        return found

    for name in RULES:
        assert play(name) == play(name)


def test_work_that_needs_no_certain_model_leaves_the_scarce_one_to_those_that_do(lab):
    for name in ("fgd", "bruk"):
        fleet = Fleet([FleetNode("scarce", 9_000, 100, 4, "A"), FleetNode("plenty", 9_000, 100, 4, "B")])
        free, bound = Shape(1_000, 1, 1), Shape(1_000, 1, 1, models=("A",))
        chosen = lab.rule(name, fleet, [free, bound])
        for _ in range(40):
            chosen.arrived(free)
            chosen.arrived(bound)
        assert fleet.names[chosen.choose(free)[0]] == "plenty", name
        assert fleet.names[chosen.choose(bound)[0]] == "scarce", name


def test_best_fit_takes_the_fullest_node_and_the_fullest_device(lab):
    fleet = Fleet([FleetNode("empty", 96_000, 100, 8, "A"), FleetNode("used", 96_000, 100, 8, "A")])
    fleet.take(Shape(24_000, 1, 2), 1, (0, 1))
    fleet.take(Shape(1_000, 1, 1, 500), 1, (5,))
    assert lab.rule("bestfit", fleet).choose(Shape(1_000, 1, 1, 400)) == (1, (5,))


def test_an_empty_fleet_has_no_room():
    for name in RULES:
        fleet = Fleet([])
        assert rule(name, fleet, Setting(None)).choose(Shape(0, 0, 1)) is None


def test_a_rule_that_does_not_exist_is_refused_with_those_that_do():
    with pytest.raises(UnknownRule, match="random, bestfit, fgd, bruk"):
        rule("best", Fleet([]), Setting(None))
