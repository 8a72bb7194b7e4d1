"""Events as operators write them, and what is said of them."""

import json

import pytest

from bruk.cli.whatif import read_event
from bruk.model.errors import InvalidInput
from bruk.model.site import Isolation, Node, Site
from bruk.model.snapshot import SiteState, Snapshot
from bruk.model.switch import HoldScope
from bruk.twin.whatif.events import Lost, PowerChanged, SwitchedOff
from bruk.wire import codec

NOW_MS, HOUR_MS = 1_800_000_000_000, 3_600_000


@pytest.mark.parametrize(
    ("text", "event"),
    [
        (
            "power borlange -30% from +1h for 3h",
            PowerChanged("borlange", None, 30, NOW_MS + HOUR_MS, NOW_MS + 4 * HOUR_MS),
        ),
        ("power borlange 20MW", PowerChanged("borlange", 20_000_000, 0, NOW_MS, None)),
        ("off essonne at +30m", SwitchedOff(HoldScope.SITE, "essonne", NOW_MS + HOUR_MS // 2, None)),
        ("off site essonne for 1h", SwitchedOff(HoldScope.SITE, "essonne", NOW_MS, NOW_MS + HOUR_MS)),
        ("off tenant acme", SwitchedOff(HoldScope.TENANT, "acme", NOW_MS, None)),
        ("off platform at +1h", SwitchedOff(HoldScope.PLATFORM, "*", NOW_MS + HOUR_MS, None)),
        ("lose essonne/n17  at +10m", Lost("essonne", "n17", NOW_MS + HOUR_MS // 6, None)),
        ("lose essonne", Lost("essonne", "", NOW_MS, None)),
    ],
)
def test_an_event_is_read_as_it_is_written(text, event):
    assert read_event(text, NOW_MS) == event


def test_a_time_of_day_is_the_next_one_after_the_snapshot():
    early, late = (read_event(f"off a at {clock}", NOW_MS) for clock in ("00:00", "23:59"))
    for event in (early, late):
        assert NOW_MS <= event.from_ms < NOW_MS + 24 * HOUR_MS
    assert (late.from_ms - early.from_ms) % (24 * HOUR_MS) == 23 * HOUR_MS + 59 * 60_000


@pytest.mark.parametrize(
    "text",
    [
        "",
        "off",
        "off tenant",
        "off platform essonne",
        "power essonne",
        "power a -130%",
        "power a 20",
        "explode a",
        "off a at yesterday",
        "off a at 25:00",
        "off a at 2001-01-01",
        "off a for ever",
    ],
)
def test_what_is_no_event_is_refused(text):
    with pytest.raises(InvalidInput):
        read_event(text, NOW_MS)


@pytest.fixture
def file(tmp_path):
    place = Site("here", "here", "FR", "FR", "us", isolation=Isolation.SANDBOX)
    node = Node("here", "n1", "slots", "cpu-slot", 4, 4000, 2**30)
    path = tmp_path / "snapshot.json"
    path.write_text(json.dumps(codec.dump(Snapshot(NOW_MS, (SiteState(place, (node,), True),)))))
    return path


def test_the_answer_is_one_object_last_on_stdout(bruk, file, tmp_path):
    picture = tmp_path / "power.svg"
    status, out, _ = bruk(
        "twin", "what-if", str(file), "--event", "off here at +1h", "--json", "--plot", str(picture)
    )
    assert status == 0
    answer = json.loads(out)
    assert [line["what"] for line in answer["lines"]] == ["is switched off"]
    assert answer["until_ms"] - answer["now_ms"] == 24 * HOUR_MS
    assert picture.read_text().startswith("<svg")


def test_it_is_shown_as_tables(bruk, file):
    status, out, _ = bruk("twin", "what-if", str(file), "--event", "lose here/n1", "--span", "2h")
    assert status == 0
    assert "is lost" in out
    assert "Peak kW" in out


def test_what_is_not_there_is_said(bruk, file):
    status, _, err = bruk("twin", "what-if", str(file), "--event", "off nowhere")
    assert status != 0
    assert "no site called 'nowhere'; it has: here" in err
