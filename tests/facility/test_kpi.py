"""The indicators of the Energy Efficiency Directive."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bruk.facility.exact import ImpossibleMeasurement
from bruk.facility.kpi import FacilityTotals, facility_kpis

_MWH_J = 3_600_000_000


def test_indicators_are_their_ratios() -> None:
    totals = FacilityTotals(
        facility_j=1150 * _MWH_J,
        it_j=1000 * _MWH_J,
        water_in_ml=100_000 * 1000,
        reused_j=575 * _MWH_J,
        renewable_j=1150 * _MWH_J,
    )
    kpis = facility_kpis(totals)

    assert kpis.pue == pytest.approx(1.15)
    assert kpis.wue_l_per_kwh == pytest.approx(0.1)
    assert kpis.erf == pytest.approx(0.5)
    assert kpis.ref == 1


@given(st.integers(1, 10**18), st.integers(0, 10**18), st.integers(0, 10**15))
def test_pue_is_at_least_one_and_shares_at_most_one(it_j: int, overhead_j: int, water_ml: int) -> None:
    facility_j = it_j + overhead_j
    kpis = facility_kpis(FacilityTotals(facility_j, it_j, water_ml, overhead_j, facility_j))

    assert kpis.pue >= 1
    assert 0 <= kpis.erf <= 1
    assert kpis.ref == 1
    assert kpis.wue_l_per_kwh >= 0


@pytest.mark.parametrize(
    ("totals", "words"),
    [
        (FacilityTotals(10, 0), "E_IT"),
        (FacilityTotals(10, 11), "more than the whole site"),
        (FacilityTotals(10, 5, reused_j=11), "E_REUSE"),
        (FacilityTotals(10, 5, renewable_j=-1), "E_RES"),
        (FacilityTotals(10, 5, water_in_ml=-1), "W_IN"),
    ],
)
def test_impossible_totals_are_refused(totals: FacilityTotals, words: str) -> None:
    with pytest.raises(ImpossibleMeasurement, match=words):
        facility_kpis(totals)
