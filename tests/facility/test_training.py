"""Training compute against the test vectors of the AI Act's guidelines."""

import pytest

from bruk.facility.accelerator import accelerator
from bruk.facility.exact import ImpossibleMeasurement
from bruk.facility.training import (
    modifier_is_provider,
    threshold_flop,
    training_flop_by_architecture,
    training_flop_by_hardware,
)

_HOUR_MS = 3_600_000


def test_by_architecture_gives_the_guidelines_value() -> None:
    flop = training_flop_by_architecture(3_800_000_000, 3_300_000_000_000)

    assert flop == 75_240_000_000_000_000_000_000
    assert flop == pytest.approx(7.5e22, rel=0.01)


def test_by_hardware_gives_the_guidelines_value_for_a100() -> None:
    flop = training_flop_by_hardware(200_000 * _HOUR_MS, 0.3, 0.5)

    assert flop == 108 * 10**21
    assert flop == pytest.approx(1e23, rel=0.1)


def test_by_hardware_gives_the_guidelines_value_for_h100() -> None:
    bf16_pflops = accelerator("h100-sxm").bf16_pflops
    assert bf16_pflops == 0.989
    flop = training_flop_by_hardware(370_000 * _HOUR_MS, bf16_pflops, 0.5)

    # The text prints 6.5e23; its own factors multiply to this.
    assert flop == 658_674 * 10**18


def test_thresholds_and_the_modifiers_third() -> None:
    assert threshold_flop("general_purpose_flop") == 10**23
    assert threshold_flop("systemic_risk_flop") == 10**25
    assert not modifier_is_provider(3 * 10**24, 10**24)
    assert modifier_is_provider(3 * 10**24, 10**24 + 1)


def test_an_impossible_utilisation_is_refused() -> None:
    with pytest.raises(ImpossibleMeasurement, match="utilisation"):
        training_flop_by_hardware(1, 1.0, 1.5)
