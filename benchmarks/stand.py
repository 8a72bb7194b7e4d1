"""What stands around the gateway when its relay is measured: a fast upstream, a control that gives leases.

`python -m benchmarks.stand upstream|control|gateway …` runs one of them as a process of its own; each prints
one line of JSON with its address once it listens.
"""

import asyncio
import json
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httptools
import orjson
import uvloop

ROOT = Path(__file__).parent.parent
KEY, MODEL = "replica-key", "model-of-the-engine"
TOKENS = 8
ANSWER = json.dumps(
    {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_790_000_000,
        "model": MODEL,
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Hello there, how are you?"},
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 9, "completion_tokens": TOKENS, "total_tokens": 9 + TOKENS},
    }
).encode()
CHUNKS = 200


def _chunk(number: int) -> bytes:
    delta = {"role": "assistant"} if number == 0 else {"content": " word"}
    choice = {"index": 0, "delta": delta, "finish_reason": "stop" if number == CHUNKS else None}
    body = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": MODEL}
    return b"data: " + json.dumps({**body, "choices": [choice]}).encode() + b"\n\n"


USAGE = {"prompt_tokens": 9, "completion_tokens": CHUNKS, "total_tokens": 9 + CHUNKS}
LAST = json.dumps({"id": "chatcmpl-1", "object": "chat.completion.chunk", "model": MODEL, "choices": []})
EVENTS = [_chunk(number) for number in range(CHUNKS + 1)]
EVENTS += [f'data: {LAST[:-1]}, "usage": {json.dumps(USAGE)}}}\n\n'.encode(), b"data: [DONE]\n\n"]
WHOLE = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (
    len(ANSWER),
    ANSWER,
)
STREAM = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


class Upstream(asyncio.Protocol):
    """Answers every request at once, with the same answer, whole or streamed, in a pace if one is set.

    Attributes:
        pace_s: until a stream's first piece, and from each to the next; None: all at once [s].
    """

    pace_s: tuple[float, float] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport
        self.parser = httptools.HttpRequestParser(self)
        self.body = b""

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_message_begin(self) -> None:
        self.body = b""

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        streamed = b'"stream":true' in self.body.replace(b" ", b"")
        if streamed and self.pace_s is not None:
            self.transport.write(STREAM)
            count = min(CHUNKS, orjson.loads(self.body)["max_tokens"])
            asyncio.get_running_loop().call_later(self.pace_s[0], self._piece, 0, count)
        elif streamed:
            parts = [b"%x\r\n%s\r\n" % (len(event), event) for event in EVENTS]
            self.transport.write(STREAM + b"".join(parts) + b"0\r\n\r\n")
        else:
            self.transport.write(WHOLE)

    def _piece(self, number: int, count: int) -> None:
        event = EVENTS[number]
        if number < count:
            self.transport.write(b"%x\r\n%s\r\n" % (len(event), event))
            assert self.pace_s is not None, "pieces have a pace"
            asyncio.get_running_loop().call_later(self.pace_s[1], self._piece, number + 1, count)
            return
        last = b"".join(b"%x\r\n%s\r\n" % (len(event), event) for event in EVENTS[-3:])
        self.transport.write(last + b"0\r\n\r\n")


async def _upstream(pace_s: tuple[float, float] | None = None) -> None:
    Upstream.pace_s = pace_s
    server = await asyncio.get_running_loop().create_server(Upstream, "127.0.0.1", 0, backlog=4096)
    print(json.dumps({"address": _address(server)}), flush=True)
    await server.serve_forever()


def _address(server: asyncio.Server) -> str:
    return f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


def _control(upstream: str) -> None:
    sys.path.insert(0, str(ROOT))
    from tests.gateway.control import TOKEN, Control

    class Light(Control):
        """Takes what it is sent as it comes, so that it leaves the cores to what is measured."""

        through = 0

        async def _app(self, scope: Any, receive: Any, send: Any) -> None:
            body, more = b"", True
            while more:
                message = await receive()
                body, more = body + message.get("body", b""), message.get("more_body", False)
            sync = orjson.loads(body)
            if sync["usage"]:
                self.through = max(self.through, sync["usage"][-1]["seq"])
                # All that the lease needs of a ledger: up to where it goes.
                self.ledger = {("", self.through): SimpleNamespace(project="")}
            elif sync["wait_ms"]:
                await asyncio.sleep(sync["wait_ms"] / 1000)
            answer = {"lease": self.lease(), "acknowledged_seq": self.through, "version": 1, "handovers": []}
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": orjson.dumps(answer)})

    control = Light()
    control.add_project("acme/lab", slice_microeur=10**15)
    control.add_key("acme", "acme/lab")
    replica = {"run": "run-1", "site": "essonne", "address": upstream, "key": KEY}
    price = {"price_microeur": 1_000_000, "version": 1}
    control.models.append(
        {
            "name": "little",
            "endpoint": "ep-little",
            "model": "model-little",
            "upstream_model": MODEL,
            "owner_project": "acme/lab",
            "tenants": ["*"],
            "context_tokens": 4096,
            "replicas": [replica],
            "price_in": price,
            "price_out": price,
            "created_at_ms": 1_790_000_000_000,
        }
    )
    said = {"url": control.url, "key": control.signing.public_key.text, "token": TOKEN}
    print(json.dumps(said), flush=True)
    while True:
        time.sleep(1)


def _gateway(control: str, key: str, token: str, home: str) -> None:
    # What a gateway's own process imports, and nothing beside it: its memory is measured.
    from bruk.assembly.clock import SystemClock
    from bruk.gateway import Gateway, Limits
    from bruk.seal import Keyring, PublicKey

    ring = Keyring.of([PublicKey.from_text(key)])
    gateway = Gateway(Path(home), "gw1", "essonne", control, token, ring, SystemClock(), Limits(drain_s=1))

    async def told() -> None:
        running = asyncio.create_task(gateway.run("127.0.0.1:0"))
        while gateway.address is None or gateway.leases.ended_for_ms() is not None:
            if running.done():
                await running
            await asyncio.sleep(0.05)
        print(json.dumps({"url": f"http://127.0.0.1:{gateway.address[1]}"}), flush=True)
        await running

    uvloop.run(told())


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["upstream"]:
            uvloop.run(_upstream())
        case ["upstream", first_ms, each_ms]:
            uvloop.run(_upstream((int(first_ms) / 1000, int(each_ms) / 1000)))
        case ["control", upstream]:
            _control(upstream)
        case ["gateway", control, key, token, home]:
            _gateway(control, key, token, home)
