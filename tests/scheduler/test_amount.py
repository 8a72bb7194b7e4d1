"""Money and time in sentences: exact, and short where they can be."""

import pytest

from bruk.scheduler.amount import count, device_time, euros


@pytest.mark.parametrize(
    ("device_ms", "said"),
    [
        (0, "0 s"),
        (250, "0.250 s"),
        (59_000, "59 s"),
        (60_000, "1 min"),
        (5_400_000, "1 h 30 min"),
        (3_600_001, "1 h 0.001 s"),
        (360_000_000, "100 h"),
    ],
)
def test_device_time(device_ms, said):
    assert device_time(device_ms) == said


def test_amounts_and_counts():
    assert (euros(12_500_000), euros(-1)) == ("12.500000 EUR", "-0.000001 EUR")
    assert (count(1, "node"), count(0, "node")) == ("1 node", "0 nodes")
