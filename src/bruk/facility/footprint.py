"""What a run's IT energy means for the site and the climate, in one step.

Joins `power` and `carbon`: IT energy, times the site's PUE, times the grid's intensity while it ran. It keeps
the quality of the reading and never improves it; `method` says where the intensity came from.
"""

from dataclasses import dataclass

from bruk.facility.carbon import carbon_mg
from bruk.facility.power import EnergyReading, facility_energy_j
from bruk.facility.series import EnergySlice, HourlySeries
from bruk.model.ledger import Quality


@dataclass(frozen=True, slots=True)
class Footprint:
    """Energy and carbon of some work, in the figures of a ledger entry.

    Attributes:
        it_energy_j: energy of the devices and their share of the server [J].
        energy_j: facility energy, IT times PUE [J].
        carbon_mg: location-based, of the facility energy [mg CO2e].
        quality: how the IT energy was had.
        method: the meter, the sharing rule or the formula, and the source of the intensity, in words.
    """

    it_energy_j: int
    energy_j: int
    carbon_mg: int
    quality: Quality
    method: str


def footprint(
    reading: EnergyReading, start_ms: int, end_ms: int, pue_milli: int, intensity: HourlySeries
) -> Footprint:
    """Energy and carbon of a reading, taken as used evenly between two moments.

    Args:
        reading: IT energy and how it was had.
        start_ms: its beginning, since the epoch, UTC [ms].
        end_ms: its end, not before the beginning [ms].
        pue_milli: power usage effectiveness of the site times 1000, 1000 or more.
        intensity: intensity of the site's grid zone by the hour [gCO2e/kWh].

    Raises:
        ImpossibleMeasurement: when the PUE is below 1.
        SeriesGap: when the series does not cover the time.
    """
    assert start_ms <= end_ms, "work does not end before it begins"
    energy_j = facility_energy_j(reading.energy_j, pue_milli)
    # Work too short for the clock still happened at a moment, and takes the intensity of its hour.
    piece = EnergySlice(start_ms, max(end_ms, start_ms + 1), energy_j)
    return Footprint(
        it_energy_j=reading.energy_j,
        energy_j=energy_j,
        carbon_mg=carbon_mg([piece], intensity),
        quality=reading.quality,
        method=f"{reading.method}; intensity: {intensity.source}",
    )
