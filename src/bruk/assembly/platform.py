"""Control with its API and console, as one application and one loop."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from bruk.api import create_api, install_errors
from bruk.assembly.home import Home
from bruk.console.router import create_router
from bruk.control.blobs import BlobStore
from bruk.control.control import Control
from bruk.control.logs import LogStore
from bruk.control.secrets import set_aside_unreadable
from bruk.control.signing import open_keys
from bruk.control.step import PERIOD_MS, step
from bruk.model.clock import Clock
from bruk.model.errors import BrukError
from bruk.seal import SigningKey
from bruk.store.database import Database

log = logging.getLogger(__name__)

CHECK_MS = 5_000


def make_first_key(home: Home) -> None:
    """Before the database, so that there never are records whose key was not kept; idle if there is one."""
    if not home.signing_key.exists():
        SigningKey.generate().save(home.signing_key)


def check_database(home: Home, database: Database, clock: Clock) -> None:
    """A damaged page is worth knowing before anything is built on it.

    Raises:
        StoreDamaged: there is one.
    """
    if home.database_file.exists():
        database.check(patience_ms=CHECK_MS, clock=clock)


def open_control(home: Home, clock: Clock, database: Database | None = None) -> Control:
    """Control over a home: schema migrated, signing key made at the first start.

    Raises:
        BrukError: the home, the key or the database cannot be used; the message says what to do.
    """
    home.make()
    make_first_key(home)
    if database is None:
        database = Database.open(home.database_url)
        check_database(home, database, clock)
    database.migrate()
    key, keyring = open_keys(home.keys, database, clock)
    control = Control(
        database, clock, key, keyring, BlobStore(home.artifacts), LogStore(home.logs / "runs"), home.path
    )
    set_aside_unreadable(control)
    return control


def create_app(control: Control) -> FastAPI:
    """Control's whole application: the API, the console, and the loop of steps."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        loop = asyncio.create_task(_steps(control))
        try:
            yield
        finally:
            loop.cancel()
            await asyncio.gather(loop, return_exceptions=True)
            with contextlib.suppress(BrukError):
                await asyncio.to_thread(control.uses.write, control, at_once=True)

    app = FastAPI(title="Bruk", lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    # Also what lies on no route at all, or on none that the API's mount knows, is refused in one shape.
    install_errors(app)
    app.mount("/api/v1", create_api(control))

    @app.get("/health")
    def health() -> dict[str, bool]:
        """Whether control answers. Open: it says nothing else."""
        return {"ok": True}

    app.include_router(create_router(control, gateway_url=lambda: control.gateway_url))
    return app


async def _steps(control: Control) -> None:
    version = 0
    while not control.changes.closed:
        try:
            await asyncio.to_thread(control.database.keep_control)
            changed = await asyncio.to_thread(step, control)
            await asyncio.to_thread(control.uses.write, control)
        except BrukError as error:
            # The store may be away or the disk full; nothing was written, and the next turn tries again.
            log.error("control's step could not be done: %s", error.message)
            changed = False
        except Exception:
            log.exception("control's step failed; the next turn tries again")
            changed = False
        if not changed:
            version = await control.changes.wait_past(version, PERIOD_MS)
