"""The style: every text stands out enough from what it stands on, in light and in dark."""

import re

import pytest

from bruk.console.assets import assets

# WCAG 2.2, success criterion 1.4.3, for text of ordinary size.
CONTRAST_LEAST = 4.5
PAIRS = [
    *((ink, ground) for ink in ("ink", "soft", "red", "blue") for ground in ("desk", "paper", "wash")),
    ("green", "green-wash"),
    ("amber", "amber-wash"),
    ("amber", "desk"),
    ("green", "desk"),
    ("red", "red-wash"),
    ("blue", "blue-wash"),
    ("ink", "red-wash"),
    ("ink", "green-wash"),
    ("ink", "blue-wash"),
    ("on-red", "red"),
    ("on-ink", "ink"),
]


def _palettes():
    css = assets()["console.css"].content.decode()
    light, dark = re.findall(r":root \{(.*?)\}", css, re.DOTALL)
    found = dict(re.findall(r"--([a-z-]+): #([0-9a-f]{6});", light))
    return {"light": found, "dark": {**found, **dict(re.findall(r"--([a-z-]+): #([0-9a-f]{6});", dark))}}


def _luminance(colour):
    parts = [int(colour[place : place + 2], 16) / 255 for place in (0, 2, 4)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("ink", "ground"), PAIRS)
def test_text_stands_out(scheme, ink, ground):
    palette = _palettes()[scheme]
    lighter, darker = sorted((_luminance(palette[ink]), _luminance(palette[ground])), reverse=True)
    assert (lighter + 0.05) / (darker + 0.05) >= CONTRAST_LEAST


def test_the_style_asks_for_nothing():
    css = assets()["console.css"].content.decode()
    assert "url(" not in css
    assert "@import" not in css
