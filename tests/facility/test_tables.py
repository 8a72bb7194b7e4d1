"""Every shipped row says what it is, in which unit, from where and since when."""

import csv
import datetime
from decimal import Decimal
from importlib import resources
from pathlib import Path

import pytest

from bruk.facility.tables import TABLES, DataTableBroken, parse_table, table

_DATA = Path(__file__).parents[3] / "shared" / "data" / "grid"
_HEADER = "zone,quantity,value,unit,source,retrieved\n"


def test_every_shipped_file_is_a_known_table() -> None:
    shipped = {file.name for file in resources.files("bruk.data").iterdir() if file.name.endswith(".csv")}

    assert shipped == {f"{name}.csv" for name in TABLES}


@pytest.mark.parametrize("name", TABLES)
def test_every_row_has_value_unit_source_and_date(name: str) -> None:
    rows = [row for subject in table(name).values() for row in subject.values()]

    assert rows
    for row in rows:
        assert row.value.strip()
        assert row.unit.strip()
        assert row.source.strip()
        assert datetime.date.fromisoformat(row.retrieved) <= datetime.date(2100, 1, 1)


@pytest.mark.parametrize("name", TABLES)
def test_every_value_with_a_unit_is_a_number(name: str) -> None:
    for subject in table(name).values():
        for row in subject.values():
            if row.unit != "-":
                numerator, _, denominator = row.value.partition("/")
                assert Decimal(numerator).is_finite()
                assert Decimal(denominator or "1") > 0


def test_example_prices_say_that_they_are_examples() -> None:
    for rows in table("prices").values():
        for row in rows.values():
            assert "example" in row.source
            assert "not a market fact" in row.source


def test_assumed_pue_is_marked() -> None:
    for site, rows in table("sites").items():
        source = rows["pue"].source
        assert source.startswith("assumed") or "claim" in source or "paper" in source, site


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "line 1"),
        ("zone,quantity,value,unit,source\nFR,mean,1,EUR,x\n", "line 1"),
        (_HEADER + "FR,mean,1,EUR/MWh,,2026-01-01\n", "line 2"),
        (_HEADER + "FR,mean,1,EUR/MWh,x\n", "line 2"),
        (_HEADER + "FR,mean,1,g,x,2026-01-01\nFR,mean,2,g,x,2026-01-01\n", "stands twice"),
    ],
)
def test_a_malformed_table_names_file_and_line(text: str, words: str) -> None:
    with pytest.raises(DataTableBroken, match=words) as caught:
        parse_table(text, "broken.csv")

    assert "broken.csv" in str(caught.value)


def test_a_missing_table_says_what_to_do() -> None:
    with pytest.raises(DataTableBroken, match="Install Bruk again"):
        table("no_such_table")


def test_carbon_means_are_those_of_the_hourly_data() -> None:
    path = _DATA / "carbon_intensity_2022.csv"
    if not path.exists():
        pytest.skip("the hourly carbon data stand beside the repository only where benchmarks run")
    with path.open(encoding="utf-8", newline="") as file:
        hours = list(csv.DictReader(file))

    for zone, rows in table("carbon_intensity").items():
        values = [Decimal(hour[zone]) for hour in hours]
        assert rows["mean"].value == str(round(sum(values) / len(values), 2))
        noon = [Decimal(hour[zone]) for hour in hours if int(hour["hour"]) % 24 == 12]
        assert rows["hour_12"].value == str(round(sum(noon) / len(noon), 2))


def test_energy_price_of_se3_is_the_mean_of_the_hourly_data() -> None:
    path = _DATA / "price_SE3_2022.csv"
    if not path.exists():
        pytest.skip("the hourly prices stand beside the repository only where benchmarks run")
    with path.open(encoding="utf-8", newline="") as file:
        values = [Decimal(hour["eur_per_mwh"]) for hour in csv.DictReader(file) if hour["eur_per_mwh"]]

    assert table("energy_price")["SE-SE3"]["mean"].value == str(round(sum(values) / len(values), 2))
