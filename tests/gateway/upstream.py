"""A stand-in for an inference server: a real HTTP server with OpenAI's shapes and configurable faults.

In style `transformers` it calls its model by a folder, sends usage with the last piece whether asked or
not, and ends a stream without [DONE]; in style `vllm` usage comes in an event of its own when asked,
and [DONE] follows.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

from .serving import Serving

MODEL = "/srv/models/little"
KEY = "replica-key-0123456789"
WORDS = ["alpha", " beta", ' \\u00e9\\n\\"x\\" 1.0e0', " delta", " epsilon", " zeta", " eta", " theta"]


class Upstream:
    """Behaves well, or badly in one way.

    `fault` is one of: slow_start, dies, dies_before, silent_end, no_usage, 500, 503, 400, garbage,
    garbage_event, error_event, error_first, too_many, html. `pause_s` passes after each piece.
    """

    def __init__(self, style: str = "vllm", fault: str = "") -> None:
        self.style = style
        self.fault = fault
        self.pause_s = 0.0
        self.seen: list[dict[str, Any]] = []
        self.raw_bodies: list[bytes] = []
        self.headers: list[dict[str, str]] = []
        self.sent_pieces = 0
        self.cancelled = 0
        self.sent = b""
        self._serving = Serving.of(self._app)
        self.address = self._serving.url

    def stop(self) -> None:
        """Close the port: nobody is there any more."""
        self._serving.stop()

    def let_go(self) -> None:
        self._serving.let_go()

    async def _app(self, scope: Any, receive: Any, send: Any) -> None:
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        if headers.get("authorization") != f"Bearer {KEY}":
            await _json(send, 401, {"detail": "no"})
            return
        self.headers.append(headers)
        self.raw_bodies.append(body)
        request = json.loads(body)
        self.seen.append(request)
        if self.fault == "slow_start":
            gone = asyncio.create_task(receive())
            await asyncio.wait({gone}, timeout=30)
            self.cancelled += gone.done()
            return
        if self.fault == "dies_before":
            raise ConnectionError("the stand-in dies")
        if self.fault in ("500", "503"):
            await _json(send, int(self.fault), {"error": {"message": f"secret {self.address} {KEY}"}})
        elif self.fault == "400":
            await _json(send, 400, {"detail": f"Server is pinned to '{MODEL}'; the prompt is too long."})
        elif self.fault == "garbage":
            await _json(send, 200, None, raw=b"<html>not what you expect</html>")
        elif scope["path"] == "/v1/embeddings":
            await self._embeddings(send, request)
        elif request.get("stream"):
            await self._stream(scope["path"], receive, send, request)
        else:
            await self._whole(scope["path"], receive, send, request)

    def _pieces(self, request: dict[str, Any]) -> list[str]:
        asked = request.get("max_tokens") or request.get("max_completion_tokens") or 5
        count = asked + 50 if self.fault == "too_many" else asked
        return [WORDS[index % len(WORDS)] for index in range(count)]

    def _usage(self, request: dict[str, Any], pieces: int) -> str:
        prompt = (
            len(json.dumps(request.get("messages") or request.get("prompt") or request.get("input"))) // 3
        )
        return f'{{"prompt_tokens":{prompt},"completion_tokens":{pieces},"total_tokens":{prompt + pieces}}}'

    async def _embeddings(self, send: Any, request: dict[str, Any]) -> None:
        in_base64 = request.get("encoding_format") == "base64"
        vector = '"AACAPwAAAEA="' if in_base64 else "[1.0, 2.000]"
        raw = (
            f'{{"object":"list","model":"{MODEL}",'
            f'"data":[{{"object":"embedding","index":0,"embedding":{vector}}}],'
            '"usage":{"prompt_tokens":7,"total_tokens":7}}'
        )
        await _json(send, 200, None, raw=raw.encode())

    async def _whole(self, path: str, receive: Any, send: Any, request: dict[str, Any]) -> None:
        if self.pause_s:
            gone = asyncio.create_task(receive())
            await asyncio.wait({gone}, timeout=self.pause_s)
            if gone.done():
                self.cancelled += 1
                return
            gone.cancel()
        pieces = self._pieces(request)
        text = "".join(pieces)
        answer = f'"message":{{"role":"assistant","content":"{text}"}}'
        if path == "/v1/completions":
            answer = f'"text":"{text}"'
        usage = "" if self.fault == "no_usage" else f',"usage":{self._usage(request, len(pieces))}'
        raw = (
            f'{{"id":"x1", "created":1.7e9, "model" : "{MODEL}" ,"object":"chat.completion",'
            f'"choices":[{{"index":0,"finish_reason":"stop",{answer}}}]{usage}}}'
        )
        self.sent = raw.encode()
        await _json(send, 200, None, raw=self.sent)

    async def _stream(self, path: str, receive: Any, send: Any, request: dict[str, Any]) -> None:
        kind = b"text/html" if self.fault == "html" else b"text/event-stream"
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", kind)]})
        gone = asyncio.create_task(receive())
        self.sent = b""

        async def out(text: str) -> None:
            self.sent += text.encode()
            await send({"type": "http.response.body", "body": text.encode(), "more_body": True})

        if self.fault == "error_first":
            await out('data: {"error": "worker dead at /srv/secret"}\n\n')
            await send({"type": "http.response.body", "body": b""})
            return
        chat = path == "/v1/chat/completions"
        pieces = self._pieces(request)
        await out(": ping\n\n")
        if chat:
            await out(self._chunk('{"role":"assistant","content":""}', "null", chat))
        for index, piece in enumerate(pieces):
            if index == 2 and self.fault == "dies":
                raise ConnectionError("the stand-in dies")
            if index == 2 and self.fault == "silent_end":
                await send({"type": "http.response.body", "body": b""})
                return
            if index == 2 and self.fault == "error_event":
                await out('data: {"error": "worker dead at /srv/secret"}\n\n')
                await send({"type": "http.response.body", "body": b""})
                return
            if index == 2 and self.fault == "garbage_event":
                await out("data: {not json\n\n")
            await out(self._chunk(f'{{"content":"{piece}"}}' if chat else piece, "null", chat))
            self.sent_pieces += 1
            if self.pause_s:
                await asyncio.wait({gone}, timeout=self.pause_s)
            if gone.done():
                self.cancelled += 1
                return
        usage = self._usage(request, len(pieces))
        if self.style == "transformers":
            await out(self._chunk("{}" if chat else "", '"stop"', chat, usage))
        else:
            await out(self._chunk("{}" if chat else "", '"stop"', chat))
            if self.fault != "no_usage" and (request.get("stream_options") or {}).get("include_usage"):
                await out(
                    f'data: {{"id":"x1","object":"chat.completion.chunk","created":1,"model":"{MODEL}",'
                    f'"choices":[],"usage":{usage}}}\n\n'
                )
            await out("data: [DONE]\n\n")
        gone.cancel()
        await send({"type": "http.response.body", "body": b""})

    def _chunk(self, content: str, finish: str, chat: bool, usage: str = "") -> str:
        inner = f'"delta":{content}' if chat else f'"text":"{content}"'
        tail = f',"usage":{usage}' if usage else ""
        return (
            f'data: {{"id":"x1", "object":"chat.completion.chunk","created":1,"model":"{MODEL}",'
            f'"choices":[{{"index":0,{inner},"finish_reason":{finish}}}]{tail}}}\n\n'
        )


async def _json(send: Any, status: int, document: Any, raw: bytes | None = None) -> None:
    body = raw if raw is not None else json.dumps(document).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
