"""Limits of a site's power at the command line."""

import json

import pytest

from bruk.cli import quantity as q
from bruk.model.errors import InvalidInput
from bruk.model.site import PowerLimit, Site
from bruk.wire import codec

SITE = Site("essonne", "Essonne", "FR", "FR", "us", power_limits=(PowerLimit(20_000_000),))


@pytest.mark.parametrize(
    ("text", "found"), [("23MW", 23_000_000), ("1.5 kW", 1500), ("700W", 700), ("0W", 0), ("1GW", 10**9)]
)
def test_a_power_is_read_with_its_unit(text, found):
    assert q.watts(text) == found
    assert q.watts(q.show_watts(found)) == found


@pytest.mark.parametrize("text", ["23", "23mw", "-1W", "0.5W", "1e3W", ""])
def test_what_is_no_power_is_refused(text):
    with pytest.raises(InvalidInput, match="write it like 23MW"):
        q.watts(text)


def test_a_limit_is_added_to_those_that_are_there(bruk, control):
    control.answers["GET /sites/essonne"] = codec.dump(SITE)
    control.answers["PUT /sites/essonne/power"] = codec.dump(SITE)
    until = "2026-12-01T21:00:00+00:00"
    status, out, _ = bruk("site", "power", "essonne", "14MW", "--until", until)
    assert status == 0
    sent = json.loads(control.sent("PUT", "/sites/essonne/power").content)
    assert [row["watts"] for row in sent["limits"]] == [20_000_000, 14_000_000]
    assert sent["limits"][1]["until_ms"] == q.moment_ms(until)
    assert "may draw 20 MW" in out


def test_without_a_limit_it_shows_and_clear_forgets(bruk, control):
    control.answers["GET /sites/essonne"] = codec.dump(SITE)
    _, out, _ = bruk("site", "power", "essonne")
    assert out.strip() == "Site essonne may draw 20 MW."
    assert [request.method for request in control.requests] == ["GET"]
    control.answers["PUT /sites/essonne/power"] = codec.dump(Site("essonne", "Essonne", "FR", "FR", "us"))
    _, out, _ = bruk("site", "power", "essonne", "--clear")
    assert json.loads(control.sent("PUT", "/sites/essonne/power").content) == {"limits": []}
    assert "is not limited" in out


def test_when_without_how_much_is_refused(bruk, control):
    status, _, err = bruk("site", "power", "essonne", "--until", "2026-12-01")
    assert status != 0
    assert "Say how much it may draw" in err
