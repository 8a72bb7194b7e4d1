"""The agent's and the gateway's own processes: what ``bruk agent`` and ``bruk gateway`` run."""

import asyncio
import logging
import os
import sys
from pathlib import Path

import uvloop

from bruk.agent.agent import Agent, run_until_signalled
from bruk.agent.energy import MachineEnergy
from bruk.assembly.clock import SystemClock
from bruk.assembly.home import read_secret
from bruk.engines.local.engine import LocalEngine
from bruk.engines.local.slots import LocalConfig
from bruk.engines.meter import machine_meter
from bruk.gateway import Gateway
from bruk.model import egress
from bruk.model.egress import Destination
from bruk.model.errors import InvalidInput
from bruk.model.jsontext import parse_json
from bruk.seal import Keyring

SLOTS_VARIABLE = "BRUK_SLOTS"
ISOLATION_VARIABLE = "BRUK_ISOLATION"
SOFTWARE_VARIABLE = "BRUK_SOFTWARE"
EGRESS_VARIABLE = "BRUK_EGRESS"
ISOLATIONS = ("auto", "sandbox", "none")


def settle_in() -> None:
    """Files for the owner alone, and structured lines on stderr; the level is BRUK_LOG (INFO by default)."""
    os.umask(0o077)
    logging.basicConfig(
        level=os.environ.get("BRUK_LOG", "INFO").upper(),
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
        stream=sys.stderr,
    )
    # One line a request would drown everything else.
    for name in ("httpx", "httpcore", "uvicorn.access", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)


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


def destinations(variable: str, which: str) -> tuple[Destination, ...]:
    """The destinations that an environment variable lists.

    Raises:
        InvalidInput: one of them is none; names the variable, and ``which`` it lists, with an example.
    """
    try:
        return tuple(map(egress.parse, os.environ.get(variable, "").replace(",", " ").split()))
    except InvalidInput as error:
        raise InvalidInput(
            f"{variable}: {error.message}. It lists the destinations {which}, with spaces between them"
        ) from None


def run_gateway(home: Path, control_url: str, listen: str, site: str) -> None:
    """A gateway, until it is told to end; answers under way are finished first.

    Raises:
        BrukError: the token or control's pinned keys are missing, or the address is taken.
    """
    settle_in()
    token = read_secret(home / "token", "gateway's token")
    pinned = Keyring.from_document(_json(home / "control.pub"))
    gateway = Gateway(
        home,
        home.name,
        site,
        control_url,
        token,
        pinned,
        SystemClock.shared(dict(os.environ)),
        token_file=home / "token",
    )
    uvloop.run(gateway.run(listen))


def _json(path: Path) -> object:
    what = "file of control's public keys"
    try:
        found: object = parse_json(read_secret(path, what))
    except ValueError as error:
        raise InvalidInput(f"the {what} {path} is not JSON: {error}") from None
    return found
