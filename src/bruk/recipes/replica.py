"""One replica: transformers' server for one model, with what a shared server needs added.

It must never load a second model, code of a model, or anything from outside the model's folder.
Look next at :mod:`bruk.recipes.guard`, which stands before it, at :mod:`bruk.recipes.batching`,
which generates, and at :mod:`bruk.recipes.serve`, which starts it.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from fastapi import HTTPException, Request
from fastapi.responses import JSONResponse
from transformers import AutoModelForCausalLM, AutoTokenizer, ContinuousBatchingConfig, GenerationConfig
from transformers.cli.serving.chat_completion import ChatCompletionHandler
from transformers.cli.serving.completion import CompletionHandler
from transformers.cli.serving.model_manager import ModelManager
from transformers.cli.serving.server import build_server
from transformers.cli.serving.utils import GenerationState
from transformers.utils import logging as transformers_logging

from .batching import ReplicaGeneration
from .guard import App, Guard, RefusedError, refuse_unsupported

# The server warns of every request; the gateway keeps that record.
transformers_logging.set_verbosity_error()
transformers_logging.disable_progress_bar()


def _refuse_unsupported(body: dict[str, Any]) -> None:
    try:
        refuse_unsupported(body)
    except RefusedError as error:
        raise HTTPException(400, str(error)) from error
    # The server would set the one seed of everybody's requests.
    body.pop("seed", None)


def _event(chunk: Any) -> str:
    """A chunk as an event. Clients require that a choice says that it has not finished, as OpenAI's do."""
    if isinstance(chunk, str):
        return ChatCompletionHandler.chunk_to_sse(chunk)
    said = chunk.model_dump(mode="json", exclude_none=True)
    for choice in said.get("choices", ()):
        choice.setdefault("finish_reason", None)
    return f"data: {json.dumps(said, ensure_ascii=False, separators=(',', ':'))}\n\n"


class _Chat(ChatCompletionHandler):
    chunk_to_sse = staticmethod(_event)

    def _validate_request(self, body: dict[str, Any]) -> None:
        _refuse_unsupported(body)
        messages = body.get("messages")
        if not isinstance(messages, list) or not messages:
            raise HTTPException(400, "messages must be a list of at least one message")
        if not all(isinstance(message, dict) and "role" in message for message in messages):
            raise HTTPException(400, "each message must be an object with a role")
        super()._validate_request(body)


class _Completion(CompletionHandler):
    chunk_to_sse = staticmethod(_event)

    def _validate_request(self, body: dict[str, Any]) -> None:
        _refuse_unsupported(body)
        super()._validate_request(body)


async def _as_openai_error(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    kind = "invalid_request_error" if error.status_code < 500 else "server_error"
    shape = {"message": str(error.detail), "type": kind, "param": None, "code": None}
    return JSONResponse({"error": shape}, status_code=error.status_code)


class OneModel(ModelManager):
    """The server's model store, holding exactly one local model under a served name."""

    def __init__(self, folder: Path, served_name: str, device: str) -> None:
        self._folder = folder
        self._served_name = served_name
        super().__init__(device=device, continuous_batching=True, force_model=served_name)

    @staticmethod
    def process_model_name(model_id: str) -> str:
        """Return the name unchanged: a served model has no revisions."""
        return model_id

    def _load_processor(self, _name: str, gguf_file: str | None = None) -> Any:
        assert gguf_file is None, "a served name never ends in .gguf"
        return AutoTokenizer.from_pretrained(self._folder, local_files_only=True, trust_remote_code=False)

    def _load_model(
        self,
        _name: str,
        tqdm_class: type | None = None,
        progress_callback: Callable[..., Any] | None = None,
        gguf_file: str | None = None,
    ) -> Any:
        assert gguf_file is None, "a served name never ends in .gguf"
        model: Any = AutoModelForCausalLM.from_pretrained(
            self._folder,
            dtype="auto",
            use_safetensors=True,
            local_files_only=True,
            trust_remote_code=False,
        )
        if not model.generation_config.do_sample:
            # A client that names no temperature gets 1, as OpenAI's API says; 0 asks for greedy.
            model.generation_config.update(do_sample=True, temperature=1.0, top_p=1.0)
        return model.to(self.device).eval()

    def get_gen_models(self, cache_dir: str | None = None) -> list[dict[str, Any]]:  # type: ignore[override]
        """List the one model that is served."""
        return [{"id": self._served_name, "object": "model", "created": 0, "owned_by": "bruk"}]


class ReplicaState(GenerationState):
    """The server's generation state with :class:`ReplicaGeneration` for its one model."""

    def __init__(self, batching: ContinuousBatchingConfig) -> None:
        super().__init__(continuous_batching=True, cb_config=batching)
        self._cb_manager: ReplicaGeneration = ReplicaGeneration(cb_config=batching)

    def get_manager(self, model_id: str, use_cb: bool = False) -> ReplicaGeneration:
        """Return the one manager."""
        if not use_cb:
            raise HTTPException(501, f"{model_id} does not support continuous batching")
        return self._cb_manager


def build_replica(
    folder: Path, served_name: str, secret: str, device: str, batching: ContinuousBatchingConfig
) -> tuple[App, OneModel, ReplicaState]:
    """Load a model and build the guarded server around it."""
    models = OneModel(folder, served_name, device)
    state = ReplicaState(batching)
    unused: Any = None  # Routes that the guard closes need no handler.
    app = build_server(
        models,
        _Chat(models, state),
        completion_handler=_Completion(models, state),
        response_handler=unused,
        transcription_handler=unused,
        systemone_handler=unused,
        generation_state=state,
    )
    app.add_exception_handler(HTTPException, _as_openai_error)
    return Guard(app, secret), models, state


async def warm(models: OneModel, state: ReplicaState, served_name: str) -> None:
    """Generate one token, so that the first client does not wait for what is set up lazily."""
    model, processor = models.load_model_and_processor(served_name)
    manager = state.get_manager(served_name, use_cb=True)
    manager.init_cb(model, model.generation_config)
    config = GenerationConfig(max_new_tokens=1, do_sample=False)
    first = model.config.bos_token_id
    with torch.inference_mode():
        await manager.generate_non_streaming(
            model, processor, {"input_ids": [first if isinstance(first, int) else 0]}, config, "warm"
        )
