"""The API as one application, mounted under ``/api/v1``."""

from typing import Any

from fastapi import FastAPI

from bruk import __version__
from bruk.api import inspection, people, processes, records, secrets, sites, work
from bruk.api.door import PROBLEM_MEDIA_TYPE, BodyLimit, install_errors
from bruk.control.control import Control
from bruk.wire.problem import Problem

# Where bodies are streamed and have limits of their own.
STREAMING = ("/artifacts", "/agent/blobs/", "/agent/runs/")
# A thousand records of usage, or the inventory of a large site, are more than people send.
SYNC_BYTES_MAX = 16 << 20
LARGER = {"/agent/sync": SYNC_BYTES_MAX, "/gateway/sync": SYNC_BYTES_MAX}
# How every route refuses; without it the description would promise FastAPI's own shape.
_REFUSAL = {"content": {PROBLEM_MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}}
REFUSALS: dict[int | str, dict[str, Any]] = {
    "4XX": {**_REFUSAL, "description": "Refused; `code` says why."},
    "5XX": {**_REFUSAL, "description": "Something that Bruk needs is away, or a defect."},
}


class Api(FastAPI):
    """An application whose description says how it refuses."""

    def openapi(self) -> dict[str, Any]:
        """The description, with the shape of every refusal."""
        if self.openapi_schema is None:
            described = super().openapi()
            described.setdefault("components", {}).setdefault("schemas", {})["Problem"] = (
                Problem.model_json_schema()
            )
        assert self.openapi_schema is not None, "it was just made"
        return self.openapi_schema


def create_api(control: Control) -> FastAPI:
    """The application; mount it under ``/api/v1``."""
    app = Api(
        title="Bruk",
        version=__version__,
        description="The control plane of a sovereign AI cloud: people, sites, work, records.",
        docs_url=None,
        redoc_url=None,
        responses=REFUSALS,
    )
    app.state.control = control
    install_errors(app)
    for room in (sites, people, work, secrets, records, inspection, processes):
        app.include_router(room.router)
    app.add_middleware(BodyLimit, streaming=STREAMING, larger=LARGER)
    return app
