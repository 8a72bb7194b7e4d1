"""Pictures are whole, and text in them is text."""

from xml.etree import ElementTree

import pytest

from bruk.twin.picture import Axes, PictureUnknown, draw, svg

AXES = Axes("<script> & title", "across", "up")


def test_a_picture_is_well_formed_and_holds_its_lines(tmp_path):
    file = tmp_path / "curve.svg"
    draw(file, AXES, [("one", [(0.0, 0.0), (130.0, 95.5)]), ("two", [(0.0, 1.0)])])
    root = ElementTree.fromstring(file.read_text("utf-8"))
    assert root.tag.endswith("svg")
    assert len(root.findall("{http://www.w3.org/2000/svg}polyline")) == 2
    assert "<script>" not in file.read_text("utf-8")


def test_a_page_loads_nothing(tmp_path):
    file = tmp_path / "curve.HTML"
    draw(file, AXES, [("one", [(0.0, 0.0), (1.0, 1.0)])])
    text = file.read_text("utf-8")
    assert text.startswith("<!doctype html>")
    assert "src=" not in text
    assert "href" not in text


@pytest.mark.parametrize("lines", [[], [("none", [])], [("flat", [(0.0, 0.0)] * 3)]])
def test_little_to_draw_is_drawn(lines):
    ElementTree.fromstring(svg(AXES, lines))


def test_long_lines_are_thinned_to_their_end():
    text = svg(AXES, [("long", [(float(x), float(x)) for x in range(100_001)])])
    assert len(text) < 60_000


def test_other_formats_are_refused(tmp_path):
    with pytest.raises(PictureUnknown, match=r"neither in .svg nor in .html"):
        draw(tmp_path / "curve.png", AXES, [])
