"""One replica: transformers' server for one model, with what a shared server needs added.

transformers' continuous batching keeps the sampling of its first request for all that follow and
ignores stop strings. :class:`ReplicaGeneration` gives each request its own temperature, top_p and
stop strings. :class:`Guard` stands before the server: nobody gets in without the replica's secret,
and only the inference routes exist.

Look next at :mod:`bruk.recipes.serve`, which starts it.
"""

import asyncio
import hmac
import json
from collections.abc import Awaitable, Callable, MutableMapping
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
from transformers.cli.serving.utils import CBGenerateManager, CBStreamer, GenerationState, _StreamError
from transformers.utils import logging as transformers_logging

from .stopping import StopFilter

# The server warns of every request; the gateway keeps that record.
transformers_logging.set_verbosity_error()
transformers_logging.disable_progress_bar()

# A temperature of zero cannot divide; at this one only an exact tie of two logits leaves a choice.
GREEDY_TEMPERATURE = 1e-9
OPEN_ROUTES = frozenset(
    {
        ("GET", "/health"),
        ("GET", "/v1/models"),
        ("POST", "/v1/chat/completions"),
        ("POST", "/v1/completions"),
    }
)

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class Guard:
    """ASGI middleware: the replica's secret on everything but health, and no administration."""

    def __init__(self, app: App, secret: str) -> None:
        self._app = app
        self._expected = f"Bearer {secret}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it with OpenAI's error shape."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return
        route = (scope["method"], scope["path"])
        if route != ("GET", "/health"):
            given = dict(scope["headers"]).get(b"authorization", b"")
            if not hmac.compare_digest(given, self._expected):
                await _refuse(send, 401, "this replica answers its gateway alone", "invalid_api_key")
                return
        if route not in OPEN_ROUTES:
            await _refuse(send, 404, f"there is no {route[0]} {route[1]} here", "not_found")
            return
        await self._app(scope, receive, send)


async def _refuse(send: Send, status: int, message: str, code: str) -> None:
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": code}
    body = json.dumps({"error": error}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


# Fields that the server would ignore, and the values that ask for nothing.
NEUTRAL_VALUES: dict[str, tuple[Any, ...]] = {
    "best_of": (1,),
    "echo": (False,),
    "frequency_penalty": (0,),
    "generation_config": (),
    "logit_bias": ({},),
    "logprobs": (False,),
    "n": (1,),
    "presence_penalty": (0,),
    "response_format": ({"type": "text"},),
    "top_logprobs": (0,),
}


def refuse_unsupported(body: dict[str, Any]) -> None:
    """Refuse what the server would ignore or fail on, rather than answer something else.

    Raises
    ------
    HTTPException
        400 with a message that names the field.
    """
    for name, neutral in NEUTRAL_VALUES.items():
        if body.get(name) is not None and body[name] not in neutral:
            raise HTTPException(400, f"this model's server does not support {name}={body[name]!r}")
    for name, low, high in (("temperature", 0, 2), ("top_p", 0, 1)):
        value = body.get(name)
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if value is not None and not (number and low <= value <= high):
            raise HTTPException(400, f"{name} must be a number from {low} to {high}")
    for name in ("max_tokens", "max_completion_tokens"):
        value = body.get(name)
        if value is not None and (type(value) is not int or value < 1):
            raise HTTPException(400, f"{name} must be a whole number of at least 1")
    stop = body.get("stop")
    stops = [stop] if isinstance(stop, str) else stop
    if stop is not None and not (isinstance(stops, list) and all(isinstance(s, str) for s in stops)):
        raise HTTPException(400, "stop must be a string or a list of strings")


class _Chat(ChatCompletionHandler):
    def _validate_request(self, body: dict[str, Any]) -> None:
        refuse_unsupported(body)
        messages = body.get("messages")
        if not isinstance(messages, list) or not messages:
            raise HTTPException(400, "messages must be a list of at least one message")
        if not all(isinstance(message, dict) and "role" in message for message in messages):
            raise HTTPException(400, "each message must be an object with a role")
        super()._validate_request(body)


class _Completion(CompletionHandler):
    def _validate_request(self, body: dict[str, Any]) -> None:
        refuse_unsupported(body)
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

    def _load_model(self, _name: str, *_: Any, gguf_file: str | None = None, **__: Any) -> Any:
        assert gguf_file is None, "a served name never ends in .gguf"
        model = AutoModelForCausalLM.from_pretrained(
            self._folder,
            dtype="auto",
            use_safetensors=True,
            local_files_only=True,
            trust_remote_code=False,
        )
        return model.to(self.device).eval()

    def get_gen_models(self, cache_dir: str | None = None) -> list[dict[str, Any]]:  # type: ignore[override]
        """List the one model that is served."""
        return [{"id": self._served_name, "object": "model", "created": 0, "owned_by": "bruk"}]


class _Streamer(CBStreamer):
    """Streams tokens as text, up to a stop string."""

    def __init__(self, *arguments: Any, stops: list[str], **more: Any) -> None:
        super().__init__(*arguments, **more)
        self._filter = StopFilter(stops)
        self.ended = False

    def put(self, output: Any) -> None:
        """Decode new tokens and pass on what no stop string can begin in."""
        new = output.generated_tokens[self._prev_len :]
        self._prev_len = len(output.generated_tokens)
        for token in new:
            if self._filter.stopped:
                return
            self.total_tokens += 1
            text = self._decode_stream.step(self._tokenizer, token)
            if text and (passed := self._filter.feed(text)):
                self._queue.put_nowait(passed)

    @property
    def stopped(self) -> bool:
        """Whether a stop string was met."""
        return self._filter.stopped

    def end(self) -> None:
        """Pass on what was held back, and end the stream once."""
        if not self.ended:
            self.ended = True
            if rest := self._filter.finish():
                self._queue.put_nowait(rest)
            self._queue.put_nowait(None)


class ReplicaGeneration(CBGenerateManager):
    """Continuous batching in which each request keeps its own sampling and stop strings."""

    def init_cb(self, model: Any, gen_config: GenerationConfig) -> None:
        """Start the batch with every per-request processor present, whatever the first request asks."""
        if self._cb is not None:
            return
        # A processor exists only where its neutral value is left, so that none of these is neutral.
        base = GenerationConfig(
            do_sample=True,
            temperature=0.5,
            top_p=0.5,
            top_k=0,
            bos_token_id=gen_config.bos_token_id,
            eos_token_id=gen_config.eos_token_id,
            pad_token_id=gen_config.pad_token_id,
            use_cache=False,
        )
        super().init_cb(model, base)
        self._context = int(model.config.max_position_embeddings)

    def _submit(self, inputs: Any, gen_config: GenerationConfig, request_id: str) -> None:
        assert self._cb is not None, "init_cb comes first"
        self._check_alive(request_id)
        greedy = not gen_config.do_sample or not gen_config.temperature
        accepted = self._cb.add_request(
            inputs["input_ids"],
            request_id=request_id,
            streaming=True,
            max_new_tokens=gen_config.max_new_tokens,
            eos_token_id=gen_config.eos_token_id,
            temperature=GREEDY_TEMPERATURE if greedy else float(gen_config.temperature),
            top_p=float(gen_config.top_p if gen_config.top_p is not None else 1.0),
        )
        if accepted is None:
            raise HTTPException(503, "the replica is ending and takes no new requests")

    def _fit_context(self, inputs: Any, gen_config: GenerationConfig) -> None:
        """Refuse a prompt that leaves no room, and let an answer end at the end of the context."""
        room = self._context - len(inputs["input_ids"])
        if room < 1:
            raise HTTPException(
                400,
                f"the prompt has {len(inputs['input_ids'])} tokens; "
                f"this model's context is {self._context} tokens, the answer included",
            )
        if len(inputs["input_ids"]) < 1:
            raise HTTPException(400, "the prompt is empty")
        gen_config.max_new_tokens = min(gen_config.max_new_tokens, room)

    def generate_streaming(
        self,
        model: Any,
        processor: Any,
        inputs: Any,
        gen_config: GenerationConfig,
        request_id: str,
        response_parser: Any = None,
    ) -> tuple[Any, CBStreamer]:
        """Start a streamed generation; the queue gets text and, at the end, None."""
        queue, streamer, _finished = self._start(processor, inputs, gen_config, request_id)
        return queue, streamer

    async def generate_non_streaming(
        self, model: Any, processor: Any, inputs: Any, gen_config: GenerationConfig, request_id: str
    ) -> tuple[str, int, list[int]]:
        """Run a generation to its end; returns text, length of the prompt, and generated tokens."""
        queue, streamer, finished = self._start(processor, inputs, gen_config, request_id)
        try:
            generated = await finished
        except asyncio.CancelledError:
            streamer.cancel()
            raise
        parts: list[str] = []
        while (part := queue.get_nowait()) is not None:
            parts.append(part)
        return "".join(parts), len(inputs["input_ids"]), generated[: streamer.total_tokens]

    def _start(
        self, processor: Any, inputs: Any, gen_config: GenerationConfig, request_id: str
    ) -> tuple["asyncio.Queue[Any]", _Streamer, "asyncio.Future[list[int]]"]:
        self._fit_context(inputs, gen_config)
        assert self._cb is not None, "init_cb comes first"
        queue: asyncio.Queue[Any] = asyncio.Queue()
        loop = asyncio.get_running_loop()
        finished: asyncio.Future[list[int]] = loop.create_future()
        stops = gen_config.stop_strings or []
        streamer = _Streamer(
            self._cb,
            request_id,
            processor._tokenizer,
            loop,
            queue,
            stops=[stops] if isinstance(stops, str) else list(stops),
        )

        def take(output: Any) -> None:
            if streamer.ended:
                return
            streamer.put(output)
            if output.error is not None:
                queue.put_nowait(_StreamError(output.error))
                if not finished.done():
                    finished.set_exception(RuntimeError(f"generation failed: {output.error}"))
                    finished.exception()  # A streamed request leaves it unread.
            elif streamer.stopped or output.is_finished():
                streamer.end()
                if not output.is_finished():
                    streamer.cancel()
                if not finished.done():
                    finished.set_result(list(output.generated_tokens))

        self._cb.register_result_handler(request_id, take)
        self._submit(inputs, gen_config, request_id)
        return queue, streamer, finished


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
