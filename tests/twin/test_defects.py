"""The storm is itself tested: each error that is put into the product breaks an invariant of a known seed."""

import re

import pytest

from .defects import DEFECTS, run_with

# Of each defect the first seed that finds it, and what it breaks. Without the defect these seeds are whole:
# see ``test_storm``.
FOUND = {
    "usage acknowledged before it is written": (2, r"use of .* is billed to .* and then from"),
    "device time counted again": (0, r"use of .* is billed to .* and then from"),
    "tokens counted again": (0, r"tokens_in and the ledger has"),
    "old answer taken": (4, r"was ended as if control did not want it"),
    "restarted agent adopts nothing": (0, r"device-ms are billed for .*, which used"),
    "hold ignored by the agent": (0, r"acknowledged (model|site|tenant|platform) .*, and .* lives"),
    "own key ignored by the agent": (0, r"acknowledged local .*, and .* lives"),
    "hold ignored by the gateway": (1, r"gw-.* acknowledged .* and answered"),
    "hold ignored by the scheduler": (0, r"was placed under"),
    "lost end taken for success": (0, r"has succeeded, and no attempt of it ended with status 0"),
    "lost end never taken in": (0, r"is open and waits without a reason"),
    "use metered past the end": (0, r"device-ms are billed for .*, which used"),
    "last stretch not metered": (0, r"device-ms are billed for .*, which used"),
    "lease never ends": (0, r"answered .*, and its lease was over"),
    "devices free before their run has ended": (0, r"found a device in use by"),
    "cut off taken for dead": (0, r"lives 2 times"),
    "receipt before all have answered": (0, r"a receipt says nothing is left"),
    "checkpoints of the run": (0, r"folders of checkpoints"),
    "slice settled twice": (0, r"settled .*, and .* are booked"),
    "no rest after a failure": (0, r"was its next attempt after 0 ms"),
}


def test_every_defect_is_kept_with_a_seed() -> None:
    assert set(FOUND) == set(DEFECTS)
    assert len(DEFECTS) >= 12


@pytest.mark.slow
@pytest.mark.parametrize("name", DEFECTS)
def test_a_storm_finds(name: str) -> None:
    seed, broken = FOUND[name]
    ending = run_with(name, seed)
    assert re.search(broken, ending.broken), f"{ending.at}: {ending.broken!r}"
