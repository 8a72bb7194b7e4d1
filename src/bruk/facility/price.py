"""Energy price and the example price list: from joules to micro-euro.

What has no price is an error, never zero. The list is an operator's example, not a market fact; tariffs
that a running system charges are entered by its operator and live elsewhere.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cache

from bruk.facility.series import (
    J_PER_KWH,
    EnergySlice,
    HourlySeries,
    constant_series,
    hourly_series,
    integrate,
)
from bruk.facility.tables import table
from bruk.model.errors import PriceMissing
from bruk.model.ledger import Resource

PRICE_UNIT = "EUR/MWh"
"""The unit of an energy price series."""

_MICROEUR_PER_EUR = 1_000_000


@dataclass(frozen=True, slots=True)
class ExamplePrice:
    """A price of the example list.

    Attributes:
        resource: what is priced.
        item: an accelerator's name for device time; `*` for any model's tokens.
        price_microeur: for one device-hour or one million tokens [micro-EUR].
        source: what stands behind the price.
    """

    resource: Resource
    item: str
    price_microeur: int
    source: str


def energy_price_microeur(profile: Sequence[EnergySlice], series: HourlySeries) -> int:
    """Price of an energy profile: the integral of E(t) p(t), exact, rounded once.

    Day-ahead prices go below zero, and so may the result.

    Args:
        profile: facility energy over time [J].
        series: price by the hour [EUR/MWh].

    Returns:
        price, rounded half to even [micro-EUR].

    Raises:
        SeriesGap: when the series does not cover the profile.
    """
    assert series.unit == PRICE_UNIT, f"an energy price series is in {PRICE_UNIT}, not {series.unit}"
    # A thousandth of a euro for a megawatt-hour is a micro-euro for a kilowatt-hour.
    return round(integrate(profile, series) / J_PER_KWH)


def price_series(start_ms: int, values: Sequence[float], source: str) -> HourlySeries:
    """A series of energy prices as a feed gives them.

    Args:
        start_ms: the beginning of the first hour, since the epoch, UTC [ms].
        values: one price an hour, negative ones included [EUR/MWh].
        source: where they come from.

    Raises:
        ImpossibleMeasurement: when a value is no finite number.
        SeriesGap: when there is no value.
    """
    return hourly_series(start_ms, values, PRICE_UNIT, source)


@cache
def mean_year_price(zone: str) -> HourlySeries:
    """The zone's mean day-ahead price of a year, before grid fees and taxes, as a constant series.

    Raises:
        PriceMissing: when the table has no price for the zone.
    """
    rows = table("energy_price").get(zone)
    if rows is None:
        known = ", ".join(table("energy_price"))
        raise PriceMissing(
            f"No energy price is known for the grid zone {zone!r}; there is one for {known}. "
            "Enter the site's own price, or connect a feed.",
            zone=zone,
        )
    return constant_series(float(rows["mean"].value), PRICE_UNIT, rows["mean"].source)


@cache
def example_prices() -> tuple[ExamplePrice, ...]:
    """The example price list, for a first start and for the demonstration."""
    return tuple(
        ExamplePrice(Resource(quantity), item, int(Decimal(row.value) * _MICROEUR_PER_EUR), row.source)
        for item, rows in table("prices").items()
        for quantity, row in rows.items()
    )


def example_price(resource: Resource, item: str) -> ExamplePrice:
    """One price of the example list: the item's own, else that of `*`.

    Args:
        resource: what is priced.
        item: an accelerator's name, or a model's for tokens.

    Raises:
        PriceMissing: when the list has neither.
    """
    prices = {(price.resource, price.item): price for price in example_prices()}
    price = prices.get((resource, item)) or prices.get((resource, "*"))
    if price is None:
        raise PriceMissing(
            f"The example price list has no {resource} price for {item!r}. Set a price before offering it.",
            resource=resource,
            item=item,
        )
    return price
