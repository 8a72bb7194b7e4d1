"""Starts one replica of a model: ``python -m bruk.recipes.serve config.json``.

Serves the input ``model`` on 127.0.0.1 at the port ``BRUK_PORT``, to whoever knows the secret
``BRUK_REPLICA_KEY``. vLLM is taken where it is installed, transformers' own server with continuous
batching elsewhere. ``GET /health`` answers only once the model is loaded and warm. SIGTERM lets
answers under way finish, and ends it with status 0.

It must never listen on another address, load anything but safetensors, or reach out to a hub.
Look next at :mod:`bruk.recipes.replica`.
"""

import asyncio
import importlib.util
import os
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from .run import Place, Progress, RecipeError, read_config, run_recipe
from .weights import check_model_folder

HOST = "127.0.0.1"
SECRET_LENGTH_MIN = 16


@dataclass(frozen=True)
class ServeConfig:
    """The configuration file of the recipe; every field has a default."""

    model: str = "model"  # name of the input
    served_name: str = "model"  # name the replica knows its model by
    engine: str = "auto"  # auto, transformers or vllm
    vllm_command: list[str] | None = None  # how vLLM is started, if not as a module
    device: str = "auto"  # auto, cpu or cuda
    threads: int | None = None  # torch threads on the CPU; torch's choice if null
    page_tokens: int = 64  # tokens a page of the key-value cache [tokens]
    cache_blocks: int | None = None  # pages of the key-value cache; found from memory on a GPU if null
    batch_tokens: int | None = None  # tokens computed together; found from memory on a GPU if null
    grace_s: int = 10  # how long answers under way may take after SIGTERM [s]

    def __post_init__(self) -> None:
        if self.engine not in ("auto", "transformers", "vllm"):
            raise ValueError("engine must be auto, transformers or vllm")
        if self.device not in ("auto", "cpu", "cuda"):
            raise ValueError("device must be auto, cpu or cuda")
        if not self.served_name or "@" in self.served_name or self.served_name.endswith(".gguf"):
            raise ValueError("served_name must be a plain name")
        if self.page_tokens < 4:
            raise ValueError("page_tokens must be at least 4")


@dataclass(frozen=True)
class Door:
    """Where the replica listens and the secret it asks for."""

    port: int
    secret: str

    @classmethod
    def from_environment(cls) -> "Door":
        """Read ``BRUK_PORT`` and ``BRUK_REPLICA_KEY``.

        Raises
        ------
        RecipeError
            When the port is not one, or the secret is missing or short.
        """
        port, secret = os.environ.get("BRUK_PORT", ""), os.environ.get("BRUK_REPLICA_KEY", "")
        if not port.isdigit() or not 0 < int(port) < 65536:
            raise RecipeError(f"BRUK_PORT must be a port from 1 to 65535, not {port!r}")
        if len(secret) < SECRET_LENGTH_MIN or not secret.isascii() or not secret.isprintable():
            raise RecipeError(
                f"BRUK_REPLICA_KEY must be at least {SECRET_LENGTH_MIN} printable ASCII characters; "
                "a replica without a secret would answer anybody on this machine"
            )
        return cls(int(port), secret)


def serve(config_file: Path, place: Place) -> None:
    """Do the whole of the recipe; returns when the replica has ended.

    Raises
    ------
    RecipeError
        When configuration, environment or model cannot be worked with.
    """
    started = time.monotonic()
    config = read_config(config_file, ServeConfig)
    door = Door.from_environment()
    folder = check_model_folder(place.input(config.model))
    os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1", HF_HUB_DISABLE_TELEMETRY="1")
    progress = Progress(place)
    vllm = config.vllm_command is not None or importlib.util.find_spec("vllm") is not None
    if config.engine == "vllm" or (config.engine == "auto" and vllm):
        _become_vllm(config, door, folder)
    asyncio.run(_serve_transformers(config, door, folder, progress, started))


def _become_vllm(config: ServeConfig, door: Door, folder: Path) -> None:
    """Replace this process by vLLM's server; its key travels in the environment, unseen by ps."""
    command = config.vllm_command or [sys.executable, "-m", "vllm.entrypoints.cli.main"]
    arguments = [
        *map(str, command), "serve", str(folder), "--host", HOST, "--port", str(door.port),
        "--served-model-name", config.served_name, "--load-format", "safetensors",
    ]  # fmt: skip
    environment = {**os.environ, "VLLM_API_KEY": door.secret, "VLLM_NO_USAGE_STATS": "1"}
    try:
        os.execvpe(arguments[0], arguments, environment)  # noqa: S606
    except OSError as error:
        raise RecipeError(f"vLLM cannot be started as {arguments[0]!r}: {error}") from error


async def _serve_transformers(
    config: ServeConfig, door: Door, folder: Path, progress: Progress, started: float
) -> None:
    # Loading the libraries takes seconds, so that it waits until all else is known to be right.
    import torch
    import uvicorn
    from transformers import ContinuousBatchingConfig

    from .replica import build_replica, warm

    if config.threads:
        torch.set_num_threads(config.threads)
    on_gpu = config.device != "cpu" and torch.cuda.is_available()
    if config.device == "cuda" and not on_gpu:
        raise RecipeError("device is cuda, but PyTorch sees no such device here; use auto or cpu")
    batching = ContinuousBatchingConfig(
        page_size=config.page_tokens,
        num_blocks=config.cache_blocks or (None if on_gpu else 512),
        max_batch_tokens=config.batch_tokens or (None if on_gpu else 512),
        per_request_processors=True,
    )
    device = "cuda" if on_gpu else "cpu"
    try:
        app, models, state = build_replica(folder, config.served_name, door.secret, device, batching)
    except (OSError, ValueError) as error:
        raise RecipeError(f"the model cannot be loaded: {error}") from error
    await warm(models, state, config.served_name)
    settings = uvicorn.Config(
        app, host=HOST, port=door.port, log_level="warning", timeout_graceful_shutdown=config.grace_s
    )
    server = uvicorn.Server(settings)
    # uvicorn raises the signal again once it has ended; by then there is nothing left to do.
    signal.signal(signal.SIGTERM, lambda _number, _frame: None)
    progress.write("serving", elapsed_s=round(time.monotonic() - started, 3), port=door.port)
    try:
        await server.serve()
    finally:
        state.shutdown()


if __name__ == "__main__":
    sys.exit(run_recipe("serve", serve))
