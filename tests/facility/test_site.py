"""The reference fleet names nine sites that the other tables know."""

import pytest

from bruk.facility.accelerator import accelerator
from bruk.facility.carbon import carbon_zones
from bruk.facility.site import UnknownReferenceSite, reference_site, reference_sites


def test_there_are_nine_sites() -> None:
    assert [site.name for site in reference_sites()] == [
        "essonne",
        "borlange",
        "bsc",
        "it4lia",
        "lumi",
        "luxembourg",
        "mimer",
        "hammerhai",
        "pharos",
    ]


@pytest.mark.parametrize("site", reference_sites(), ids=lambda site: site.name)
def test_each_site_stands_in_a_known_zone_with_a_known_accelerator(site) -> None:  # type: ignore[no-untyped-def]
    assert site.zone in carbon_zones()
    assert accelerator(site.accelerator).name == site.accelerator
    assert site.devices > 0
    assert 1000 <= site.pue_milli <= 2000
    assert site.pue_source


def test_essonne_and_borlange_are_as_announced() -> None:
    assert reference_site("essonne").devices == 13_800
    assert reference_site("essonne").it_power_w == 44_000_000
    assert reference_site("borlange").pue_milli == 1150


@pytest.mark.parametrize("name", ["essonne", "borlange"])
def test_the_power_of_a_site_carries_its_devices(name: str) -> None:
    site = reference_site(name)
    device = accelerator(site.accelerator)

    assert site.it_power_w is not None
    assert site.devices * device.board_power_w * device.server_overhead_factor <= site.it_power_w


def test_an_unknown_site_names_the_known_ones() -> None:
    with pytest.raises(UnknownReferenceSite, match="borlange"):
        reference_site("atlantis")
