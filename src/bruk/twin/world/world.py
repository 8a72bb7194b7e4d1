"""A world: one cloud with its sites, gateways, tenants and prices, ready to live a scenario.

It is made over a folder of its own, best one in memory. Must never know what will happen: that is
`life`'s.
"""

import asyncio
from pathlib import Path

from bruk.control import access, prices, sites, tenancy
from bruk.control.control import Control
from bruk.engines.base import Launch, NodeInventory
from bruk.engines.mock import Behaviour
from bruk.model.clock import ManualClock
from bruk.model.site import CutOffPolicy
from bruk.model.tenant import Actor, Role
from bruk.store.database import Database
from bruk.twin.world.clock import MachineClock
from bruk.twin.world.cloud import Cloud
from bruk.twin.world.gateway import SimulatedGateway
from bruk.twin.world.line import AgentLine
from bruk.twin.world.machines import Lived, Machines
from bruk.twin.world.scenario import (
    ACCELERATOR,
    HOUR_MS,
    MINUTE_MS,
    PLACES,
    TENANTS,
    Place,
    Scenario,
    Work,
)
from bruk.twin.world.site import SimulatedSite
from bruk.wire.requests import KeyBody, PriceBody, ProjectBody, ResidencyBody, SiteBody, TenantBody

# A site may act on what it last heard for three of its turns.
LEASE_MS = 60 * MINUTE_MS
DEVICE_PRICE_MICROEUR = 2_500_000
TOKEN_PRICE_MICROEUR = 1_000_000
GATEWAY_SITES = ("essonne", "borlange")


def template(folder: Path) -> Path:
    """An empty database of the newest schema, to be copied by many worlds."""
    path = folder / "template.sqlite3"
    database = Database.open(f"sqlite:///{path}")
    database.migrate()
    database.close()
    return path


class World:
    """Everything of one simulated cloud."""

    def __init__(self, scenario: Scenario, home: Path, template_file: Path) -> None:
        self.scenario = scenario
        self.clock = ManualClock()
        self.begun_at_ms = self.clock.now_ms()
        self.loop = asyncio.new_event_loop()
        self.cloud = Cloud(home / "control", template_file, self.clock)
        user, _, _ = self.cloud.ask(access.first_operator)
        self.operator = Actor("user", user.id, Role.OPERATOR)
        self.sites: dict[str, SimulatedSite] = {}
        self.gateways: dict[str, SimulatedGateway] = {}
        self.secrets: dict[str, str] = {}
        self.workload_of: dict[int, str] = {}
        self.tried: set[int] = set()
        self._work: dict[int, Work] = {item.number: item for item in scenario.work}
        self.cloud.ask(self._found)
        for place in PLACES:
            self._settle(place, home / "sites" / place.name)
        for site in GATEWAY_SITES:
            name = f"gw-{site}"
            clock = MachineClock(self.clock, name)
            folder = home / "gateways" / name
            gateway = SimulatedGateway(name, site, folder, self.cloud, clock, self.loop)
            gateway.start()
            self.gateways[site] = gateway

    def elapsed_ms(self) -> int:
        """Since the world began [ms]."""
        return self.clock.now_ms() - self.begun_at_ms

    def lives(self) -> list[tuple[str, Lived]]:
        """Everything that ever ran anywhere, with its site."""
        return [(name, lived) for name, site in self.sites.items() for lived in site.machines.lives()]

    def close(self) -> None:
        """Give up journals, database and loop."""
        for site in self.sites.values():
            site.kill()
        for gateway in self.gateways.values():
            gateway.kill()
        self.cloud.close()
        self.loop.close()

    def _found(self, control: Control) -> None:
        for place in PLACES:
            body = SiteBody(
                name=place.name,
                country=place.country,
                grid_zone=place.grid_zone,
                operator="Bruk AB",
                lease_ms=LEASE_MS,
                cut_off=CutOffPolicy.STOP if place.stops_when_cut_off else CutOffPolicy.CONTINUE,
            )
            sites.add_site(control, self.operator, body)
        for site in GATEWAY_SITES:
            sites.add_gateway(control, self.operator, f"gw-{site}", site)
        for resource, microeur in (
            ("device_time", DEVICE_PRICE_MICROEUR),
            ("tokens_in", TOKEN_PRICE_MICROEUR),
            ("tokens_out", TOKEN_PRICE_MICROEUR),
        ):
            price = PriceBody(resource=resource, item="*", price_microeur=microeur)
            prices.set_price(control, self.operator, price)
        for name, countries in TENANTS.items():
            law = ResidencyBody(countries=list(countries))
            tenancy.add_tenant(control, self.operator, TenantBody(name=name, residency=law))
            tenancy.add_project(control, self.operator, ProjectBody(tenant=name, name="lab"))
            _, self.secrets[name] = access.create_key(control, self.operator, f"{name}/lab", KeyBody())

    def _settle(self, place: Place, home: Path) -> None:
        nodes = tuple(
            NodeInventory(f"{place.name}-{index}", "pool", ACCELERATOR, place.devices, 64_000, 2**40)
            for index in range(place.nodes)
        )
        machines = Machines(place.name, nodes, self.clock, self._behave)
        site = SimulatedSite(
            place.name,
            home,
            MachineClock(self.clock, place.name),
            machines,
            AgentLine(self.cloud, place.name),
        )
        site.start()
        self.sites[place.name] = site

    def _behave(self, machines: Machines, launch: Launch) -> Behaviour:
        """What the scenario says that this run does; it goes on from what ran at this site before."""
        number = launch.env.get("WORK")
        if number is None:
            return Behaviour(stop_takes_ms=1_000, processes=2)
        work = self._work[int(number)]
        workload = launch.env["BRUK_WORKLOAD_ID"]
        # Checkpoints lie at the site, so only what ran here counts.
        left_ms = max(1_000, work.runs_for_ms - machines.ran_ms(workload))
        failed = sum(
            not lived.stopped and lived.exit_code == work.exit_code
            for site in self.sites.values()
            for lived in site.machines.lives_of(workload)
        )
        fails = work.exit_code != 0 and failed < work.fails_first
        return Behaviour(
            launch_error="the simulated engine refuses this once" if work.launch_errors else "",
            launch_errors=work.launch_errors,
            ends_after_ms=min(left_ms, MINUTE_MS) if fails else left_ms,
            exit_code=work.exit_code if fails else 0,
            stop_takes_ms=work.stop_takes_ms,
            processes=1 + work.number % 3,
        )


def hours(ms: int) -> str:
    """A time since the beginning, such as ``13h05``."""
    return f"{ms // HOUR_MS}h{ms // MINUTE_MS % 60:02d}"
