"""Training compute in floating-point operations, by the two methods that the AI Act's guidelines name.

Source: European Commission, guidelines on the scope of obligations for providers of general-purpose AI models
under Regulation (EU) 2024/1689 (2025), annex; any method within 30 % of the truth will do. The thresholds
stand in `bruk/data/thresholds.csv`. Counts are exact integers, so that sums over many runs stay exact.
"""

from fractions import Fraction

from bruk.facility.exact import exact
from bruk.facility.tables import table

_PETA = 10**15


def training_flop_by_architecture(parameters: int, tokens: int) -> int:
    """C = 6 P D, for a dense transformer trained with a forward and a backward pass.

    Args:
        parameters: P, parameters, zero or more.
        tokens: D, training tokens, zero or more.

    Returns:
        C [FLOP].
    """
    assert parameters >= 0, "parameters are zero or more"
    assert tokens >= 0, "tokens are zero or more"
    return 6 * parameters * tokens


def training_flop_by_hardware(device_ms: int, peak_pflops: float, utilisation: float) -> int:
    """C = N L H U, with N L given as one sum over devices.

    Args:
        device_ms: N L, time on devices summed over them, zero or more [ms].
        peak_pflops: H, peak throughput of one device in the format trained in [PFLOP/s].
        utilisation: U, share of the peak reached, from 0 to 1 [1].

    Returns:
        C, rounded half to even [FLOP].

    Raises:
        ImpossibleMeasurement: when an input is out of its limits.
    """
    time = exact(device_ms, "The time on devices", least=0) / 1000
    peak = exact(peak_pflops, "The peak throughput", least=0) * _PETA
    return round(time * peak * exact(utilisation, "The utilisation", least=0, most=1))


def threshold_flop(name: str) -> int:
    """A threshold of the AI Act [FLOP].

    Args:
        name: `general_purpose_flop` or `systemic_risk_flop`.
    """
    return int(Fraction(table("thresholds")["ai-act"][name].value))


def modifier_is_provider(original_flop: int, modification_flop: int) -> bool:
    """Whether who modifies a model becomes its provider: above one third of the original compute.

    Args:
        original_flop: compute of the model that was modified, above zero [FLOP].
        modification_flop: compute of the modification, zero or more [FLOP].
    """
    assert original_flop > 0, "the original compute is above zero"
    share = Fraction(table("thresholds")["ai-act"]["modifier_share"].value)
    return Fraction(modification_flop, original_flop) > share
