"""Continuous batching in which each request keeps its own sampling and stop strings.

transformers' server sets the sampling of its first request for all that follow, and ignores stop
strings; here temperature, top_p and stop strings are each request's own, and nothing is generated
beyond the model's context. A seed is not honoured: requests share one stream of chance.

Look next at :mod:`bruk.recipes.stopping`.
"""

import asyncio
from typing import Any

from fastapi import HTTPException
from transformers import GenerationConfig
from transformers.cli.serving.utils import CBGenerateManager, CBStreamer, _StreamError

from .stopping import StopFilter

# A temperature of zero cannot divide; at this one only an exact tie of two logits leaves a choice.
GREEDY_TEMPERATURE = 1e-9


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
