"""``bruk up``: control, a gateway and the agents of this machine's sites, in one process tree."""

import asyncio
import contextlib
import errno
import json
import logging
import os
import signal
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn

from bruk.assembly.children import Children
from bruk.assembly.clock import LINE_VARIABLE, SystemClock
from bruk.assembly.databases import open_database, remember_database
from bruk.assembly.front import SERVING, Front, hosts_of
from bruk.assembly.home import Home, remember, write_secret
from bruk.assembly.platform import check_database, create_app, make_first_key, open_control
from bruk.assembly.processes import destinations, settle_in
from bruk.control import access, sites
from bruk.control.control import Control
from bruk.control.endpoints import ATTACH_VARIABLE
from bruk.control.skew import CLOCK_SKEW_MS
from bruk.model.errors import InvalidInput, Unauthenticated
from bruk.model.site import EngineKind, Site
from bruk.model.tenant import SYSTEM
from bruk.store import places, records, work
from bruk.store.database import Database, StoreUnavailable

log = logging.getLogger(__name__)

HOST = "127.0.0.1"
LOOK_MS = 2_000
READY_S = 60.0


@dataclass(frozen=True, slots=True)
class Address:
    """Where the machine's doors are."""

    control_url: str
    gateway_url: str
    gateway_port: int


def up(
    home_path: Path, port: int, gateway_port: int, once: bool = False, database: str = ""
) -> dict[str, Any]:
    """Run everything on this machine until SIGTERM or Ctrl-C; running jobs go on without it.

    Args:
        port, gateway_port: of control and of the gateway; 0 takes a free one.
        once: start, wait until all answer, stop.
        database: address of the store's server, or ``@FILE`` that holds it; empty: as the home remembers.

    Raises:
        BrukError: the home or the database is in use or damaged, or a port is taken.
    """
    settle_in()
    home = Home(home_path)
    with _named(home):
        home.make()
        with home.locked(), contextlib.closing(open_database(home, database)) as store:
            make_first_key(home)
            if store.is_sqlite:
                check_database(home, store, SystemClock())
            with store.controlled():
                remember_database(home, store)
                return asyncio.run(_up(home, store, port, gateway_port, once))


@contextlib.contextmanager
def _named(home: Home) -> Iterator[None]:
    """Say to whoever starts Bruk where it is that nothing can be written; others hear no path."""
    try:
        yield
    except StoreUnavailable as error:
        raise StoreUnavailable(f"{error.message}. The home is {home.path}") from error
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise StoreUnavailable(
            f"the disk of {home.path} is full ({error.strerror}): free space, then try again"
        ) from error


def _listen(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
    except OSError as error:
        listener.close()
        raise InvalidInput(
            f"port {port} cannot be used ({error.strerror}): stop what listens there, or give another port"
        ) from None
    listener.listen(512)
    return listener


def doors(*ports: int | None) -> frozenset[int]:
    """Ports of this cloud's own processes, where no replica is whatever an agent says."""
    return frozenset(port for port in ports if port is not None)


def _free_port(port: int) -> int:
    if port:
        return port
    with _listen(0) as probe:
        return int(probe.getsockname()[1])


class _Server(uvicorn.Server):
    """A server whose signals are this module's: ``_up`` ends things in order."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def _up(home: Home, database: Database, port: int, gateway_port: int, once: bool) -> dict[str, Any]:
    hosts = hosts_of(os.environ)
    clock = SystemClock.shared(file=home.clock_file)
    control = open_control(home, clock, database)
    with control.read() as connection:
        if not work.runs(connection, unsettled=True):
            clock.catch_up()
        clock.not_before(records.newest_ms(connection))
    write_secret(home.clock_file, clock.line.text())
    if abs(clock.off_by_ms()) > CLOCK_SKEW_MS:
        log.warning(
            "this machine's clock is %d s off Bruk's records; see 'bruk doctor'", clock.off_by_ms() // 1000
        )
    listener = _listen(port)
    found_port = _free_port(gateway_port)
    at = Address(f"http://{HOST}:{listener.getsockname()[1]}", f"http://{HOST}:{found_port}", found_port)
    control.gateway_url = at.gateway_url
    control.doors = doors(listener.getsockname()[1], found_port, database.engine.url.port)
    control.attachable = destinations(ATTACH_VARIABLE, "that may be attached, like '10.0.0.5:8000'")
    _, login, token = access.first_operator(control)
    login_url = f"{at.control_url}/login?token={login}"
    remember(home, url=at.control_url, gateway_url=at.gateway_url, token=token)

    config = uvicorn.Config(Front(create_app(control), hosts), **SERVING)
    server = _Server(config)
    children = Children(home.logs, {LINE_VARIABLE: clock.line.text()})
    serving = asyncio.create_task(server.serve([listener]))
    keeping = asyncio.create_task(_keep(home, control, children, at))
    told_to_end = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, told_to_end.set)
    try:
        while not server.started and not serving.done():
            await asyncio.sleep(0.02)
        print(_welcome(home, at, login_url, not await asyncio.to_thread(_local_sites, control)), flush=True)
        if once:
            await asyncio.wait_for(_all_answer(control, children), READY_S)
        else:
            waiting = asyncio.create_task(told_to_end.wait())
            await asyncio.wait([waiting, serving], return_when=asyncio.FIRST_COMPLETED)
            waiting.cancel()
    finally:
        # Children first: their last words still find control, and their long polls end with them.
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
        await children.end()
        control.changes.close()
        server.should_exit = True
        await serving
    return {"control": at.control_url, "gateway": at.gateway_url, "home": str(home.path)}


def _welcome(home: Home, at: Address, login_url: str, empty: bool) -> str:
    text = (
        f"Bruk is up.\n"
        f"  Console   {login_url}  (this link works once)\n"
        f"  API       {at.control_url}/api/v1\n"
        f"  Gateway   {at.gateway_url}/v1\n"
        f"  Home      {home.path}\n"
        f"Ctrl-C ends it; running jobs go on and are found again at the next start."
    )
    if empty:
        text += (
            "\nIt has no site yet. In another terminal, with the country and grid zone of this machine:"
            f"\n  bruk --home {home.path} site add here --country FR --zone FR"
        )
    return text


async def _keep(home: Home, control: Control, children: Children, at: Address) -> None:
    """Start an agent for each site of this machine, and a gateway at the first of them."""
    version = 0
    while True:
        here = await asyncio.to_thread(_local_sites, control)
        for site in here:
            folder = home.site(site.name)
            if f"agent-{site.name}" not in children.names() and not await asyncio.to_thread(
                _known, folder / "token", access.agent_of, control
            ):
                token = await asyncio.to_thread(sites.renew_agent_token, control, SYSTEM, site.name)
                write_secret(folder / "token", token)
            arguments = ["agent", "--site", site.name, "--home", str(folder), "--control", at.control_url]
            children.keep(f"agent-{site.name}", arguments)
        if here:
            await _keep_gateway(home, control, children, at, here[0])
        version = await control.changes.wait_past(version, LOOK_MS)


def _known(file: Path, bearer_of: Callable[[Control, str], object], control: Control) -> bool:
    """Whether the file of a child holds the token that control knows; after a crash it may not."""
    try:
        bearer_of(control, file.read_text(encoding="utf-8").strip())
    except (OSError, Unauthenticated):
        return False
    return True


def _local_sites(control: Control) -> list[Site]:
    with control.read() as connection:
        found = [site for site in places.sites(connection) if site.engine is EngineKind.LOCAL]
    return sorted(found, key=lambda site: (site.created_at_ms, site.name))


async def _keep_gateway(home: Home, control: Control, children: Children, at: Address, site: Site) -> None:
    name = f"gw-{site.name}"
    if f"gateway-{name}" in children.names():
        return
    folder = home.gateway(name)
    if not await asyncio.to_thread(_known, folder / "token", access.gateway_of, control):
        token = await asyncio.to_thread(sites.add_gateway, control, SYSTEM, name, site.name)
        write_secret(folder / "token", token)
    write_secret(folder / "control.pub", json.dumps(control.keyring.document()))
    arguments = ["gateway", "--site", site.name, "--home", str(folder), "--control", at.control_url]
    children.keep(f"gateway-{name}", [*arguments, "--listen", f"{HOST}:{at.gateway_port}"])


async def _all_answer(control: Control, children: Children) -> None:
    """Wait until every agent and gateway of this machine has spoken to control."""
    while True:
        with control.read() as connection:
            agents = {row.site for row in places.agents(connection) if row.last_sync_at_ms}
            kept = children.names()
            gateways = [row for row in places.gateways(connection) if f"gateway-{row.name}" in kept]
        expected = {site.name for site in _local_sites(control)}
        if (
            expected <= agents
            and all(row.last_sync_at_ms for row in gateways)
            and bool(gateways) == bool(expected)
        ):
            return
        await asyncio.sleep(0.1)
