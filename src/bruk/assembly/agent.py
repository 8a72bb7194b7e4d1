"""The agent's own process: what ``bruk agent`` runs."""

import asyncio
import os
from pathlib import Path

from bruk.agent.agent import Agent, run_until_signalled
from bruk.agent.energy import MachineEnergy
from bruk.assembly.clock import SystemClock
from bruk.assembly.home import read_secret
from bruk.assembly.processes import destinations, settle_in
from bruk.engines.local.engine import LocalEngine
from bruk.engines.local.slots import LocalConfig
from bruk.engines.meter import machine_meter
from bruk.model.errors import InvalidInput

SLOTS_VARIABLE = "BRUK_SLOTS"
ISOLATION_VARIABLE = "BRUK_ISOLATION"
SOFTWARE_VARIABLE = "BRUK_SOFTWARE"
EGRESS_VARIABLE = "BRUK_EGRESS"
ISOLATIONS = ("auto", "sandbox", "none")


def run_agent(site: str, home: Path, control_url: str) -> None:
    """A site's agent, until it is told to end; what runs at the site goes on.

    Raises:
        BrukError: the token is missing, another agent has this home, or the engine cannot start.
    """
    settle_in()
    clock = SystemClock.shared(dict(os.environ))
    token = read_secret(home / "token", "agent's token")
    config = _local_config(home)
    engine = LocalEngine(home / "engine", clock, config)
    accelerators = {node.name: node.accelerator for node in engine.inventory().nodes}
    energy = MachineEnergy(machine_meter(clock), clock, accelerators)
    agent = Agent(
        home,
        site,
        control_url,
        token,
        engine,
        clock,
        token_file=home / "token",
        energy=energy,
        software=config.software,
        egress=config.egress,
    )
    asyncio.run(run_until_signalled(agent))


def _local_config(home: Path) -> LocalConfig:
    """What the environment says of this machine: its slots, and whether runs are isolated."""
    isolation = os.environ.get(ISOLATION_VARIABLE, "auto")
    if isolation not in ISOLATIONS:
        raise InvalidInput(f"{ISOLATION_VARIABLE} is {isolation!r}; it may be {', '.join(ISOLATIONS)}")
    software = tuple(Path(name) for name in os.environ.get(SOFTWARE_VARIABLE, "").split(os.pathsep) if name)
    for folder in software:
        if not folder.is_absolute() or not folder.is_dir():
            raise InvalidInput(
                f"{SOFTWARE_VARIABLE} names {str(folder)!r}, which is no folder here; write full paths with "
                f"{os.pathsep!r} between them"
            )
    rules = destinations(EGRESS_VARIABLE, "that jobs may declare, like 'pypi.org:443 *.data.example:443'")
    slots = os.environ.get(SLOTS_VARIABLE, "")
    if slots and not slots.isdecimal():
        raise InvalidInput(f"{SLOTS_VARIABLE} is {slots!r}; it is the number of cpu slots of this machine")
    # On one machine the site's folder lies in the platform's home, which no run may see either.
    platform_home = home.parent.parent if home.parent.name == "sites" else home
    return LocalConfig(
        slots=int(slots) if slots else None,
        isolation=isolation,
        software=software,
        egress=rules,
        private=(platform_home, home),
    )
