"""The nine sites of the reference fleet: public facts of European AI factories, each with its source.

They model a fleet to plan and simulate with; they are never a running system's own sites, which the operator
enters. The values stand in `bruk/data/sites.csv`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from bruk.facility.exact import exact
from bruk.facility.tables import Row, table
from bruk.model.errors import NotFound


class UnknownReferenceSite(NotFound):
    """The reference fleet has no site of that name."""

    code = "reference_site_unknown"


@dataclass(frozen=True, slots=True)
class ReferenceSite:
    """One site of the reference fleet.

    Attributes:
        name: its short name.
        title: its name for people.
        country: ISO 3166-1 alpha-2.
        zone: its grid zone, as the tables of carbon and price name it.
        accelerator: the model of its devices, a name of the catalogue.
        devices: how many of them.
        it_power_w: power for IT, none where unknown [W].
        engine: what runs work there.
        pue_milli: power usage effectiveness times 1000.
        pue_source: where that figure comes from.
        unverified: the quantities that no document or measurement backs.
    """

    name: str
    title: str
    country: str
    zone: str
    accelerator: str
    devices: int
    it_power_w: int | None
    engine: str
    pue_milli: int
    pue_source: str
    unverified: tuple[str, ...]


def reference_site(name: str) -> ReferenceSite:
    """The reference site of that name.

    Raises:
        UnknownReferenceSite: with the known names in its message.
    """
    for each in reference_sites():
        if each.name == name:
            return each
    known = ", ".join(each.name for each in reference_sites())
    raise UnknownReferenceSite(f"The reference fleet has no site {name!r}. Known are: {known}.", name=name)


@cache
def reference_sites() -> tuple[ReferenceSite, ...]:
    """All sites of the reference fleet, in the order of the table."""
    return tuple(_read(name, rows) for name, rows in table("sites").items())


def _read(name: str, rows: Mapping[str, Row]) -> ReferenceSite:
    return ReferenceSite(
        name=name,
        title=rows["title"].value,
        country=rows["country"].value,
        zone=rows["zone"].value,
        accelerator=rows["accelerator"].value,
        devices=int(rows["devices"].value),
        it_power_w=int(rows["it_power_w"].value) if "it_power_w" in rows else None,
        engine=rows["engine"].value,
        pue_milli=round(exact(float(rows["pue"].value), f"The PUE of {name}", least=1) * 1000),
        pue_source=rows["pue"].source,
        unverified=tuple(quantity for quantity, row in rows.items() if not row.verified),
    )
