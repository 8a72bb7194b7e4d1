"""The API as one application, mounted under ``/api/v1``."""

from fastapi import FastAPI

from bruk import __version__
from bruk.api import people, processes, records, sites, work
from bruk.api.door import BodyLimit, install_errors
from bruk.control.control import Control

# Where bodies are streamed and have limits of their own.
STREAMING = ("/artifacts", "/agent/blobs/", "/agent/runs/")
# A thousand records of usage, or the inventory of a large site, are more than people send.
SYNC_BYTES_MAX = 16 << 20
LARGER = {"/agent/sync": SYNC_BYTES_MAX, "/gateway/sync": SYNC_BYTES_MAX}


def create_api(control: Control) -> FastAPI:
    """The application; mount it under ``/api/v1``."""
    app = FastAPI(
        title="Bruk",
        version=__version__,
        description="The control plane of a sovereign AI cloud: people, sites, work, records.",
        docs_url=None,
        redoc_url=None,
    )
    app.state.control = control
    install_errors(app)
    for room in (sites, people, work, records, processes):
        app.include_router(room.router)
    app.add_middleware(BodyLimit, streaming=STREAMING, larger=LARGER)
    return app
