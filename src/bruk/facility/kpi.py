"""The key performance indicators of a data centre that the Energy Efficiency Directive asks for.

Source of all four: Annex III of Delegated Regulation (EU) 2024/1364, which takes them from the ISO/IEC
30134 and EN 50600-4 series. They are ratios of a whole year's sums; a shorter time gives an
indication, not a report.
"""

from dataclasses import dataclass
from fractions import Fraction

from bruk.facility.exact import ImpossibleMeasurement, exact
from bruk.facility.series import J_PER_KWH


@dataclass(frozen=True, slots=True)
class FacilityTotals:
    """What a site's meters counted over one time.

    Attributes:
        facility_j: E_DC, energy of the whole site [J].
        it_j: E_IT, energy of the IT equipment [J].
        water_in_ml: W_IN, water taken in [ml].
        reused_j: E_REUSE, heat handed to others [J].
        renewable_j: E_RES, renewable energy used [J].
    """

    facility_j: int
    it_j: int
    water_in_ml: int = 0
    reused_j: int = 0
    renewable_j: int = 0


@dataclass(frozen=True, slots=True)
class FacilityKpis:
    """The four indicators.

    Attributes:
        pue: power usage effectiveness, ISO/IEC 30134-2 [1].
        wue_l_per_kwh: water usage effectiveness, ISO/IEC 30134-9 [l/kWh].
        erf: energy reuse factor, ISO/IEC 30134-6 [1].
        ref: renewable energy factor, ISO/IEC 30134-3 [1].
    """

    pue: float
    wue_l_per_kwh: float
    erf: float
    ref: float


def facility_kpis(totals: FacilityTotals) -> FacilityKpis:
    """PUE = E_DC/E_IT, WUE = W_IN/E_IT, ERF = E_REUSE/E_DC, REF = E_RES/E_DC.

    Raises:
        ImpossibleMeasurement: when E_IT is zero, or a total is more than the one it is part of.
    """
    exact(totals.it_j, "E_IT, the energy of the IT equipment", least=1)
    exact(totals.water_in_ml, "W_IN, the water taken in", least=0)
    parts = (("E_REUSE", totals.reused_j), ("E_RES", totals.renewable_j), ("E_IT", totals.it_j))
    for name, part_j in parts:
        exact(part_j, name, least=0)
        if part_j > totals.facility_j:
            raise ImpossibleMeasurement(
                f"{name} is {part_j} J, more than the whole site's {totals.facility_j} J. "
                "Check the meters and units."
            )
    water = Fraction(totals.water_in_ml, 1000) / Fraction(totals.it_j, J_PER_KWH)
    return FacilityKpis(
        pue=totals.facility_j / totals.it_j,
        wue_l_per_kwh=float(water),
        erf=totals.reused_j / totals.facility_j,
        ref=totals.renewable_j / totals.facility_j,
    )
