"""A real replica, asked by the official client."""

import concurrent.futures
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from bruk.recipes.pretrain import pretrain
from bruk.recipes.run import RecipeError
from bruk.recipes.serve import Door

SECRET = "a-secret-of-this-replica"


@pytest.mark.parametrize(
    ("port", "secret", "message"),
    [
        ("", SECRET, "BRUK_PORT must be a port"),
        ("70000", SECRET, "BRUK_PORT must be a port"),
        ("8000", "", "BRUK_REPLICA_KEY must be at least 16"),
        ("8000", "short", "BRUK_REPLICA_KEY must be at least 16"),
    ],
)
def test_a_replica_without_a_proper_door_does_not_start(
    monkeypatch: pytest.MonkeyPatch, port: str, secret: str, message: str
) -> None:
    monkeypatch.setenv("BRUK_PORT", port)
    monkeypatch.setenv("BRUK_REPLICA_KEY", secret)
    with pytest.raises(RecipeError, match=message):
        Door.from_environment()


def test_vllm_is_started_where_its_command_is_given(make_run: Any, tmp_path: Path) -> None:
    config, training = make_run("training", steps=1)
    pretrain(config, training)
    base = tmp_path / "serving"
    (base / "data").mkdir(parents=True)
    (base / "data" / "model").symlink_to(training.output_dir / "model")
    fake = base / "vllm.py"
    fake.write_text(
        "import json, os, sys\n"
        f"json.dump([sys.argv[1:], os.environ['VLLM_API_KEY']], open({str(base / 'seen.json')!r}, 'w'))\n"
    )
    (base / "config.json").write_text(json.dumps({"vllm_command": [sys.executable, str(fake)]}))
    port = free_port()
    assert start(base, port).wait(60) == 0
    arguments, key = json.loads((base / "seen.json").read_text())
    assert key == SECRET
    assert SECRET not in arguments
    assert arguments[0] == "serve"
    assert arguments[arguments.index("--host") + 1] == "127.0.0.1"
    assert arguments[arguments.index("--port") + 1] == str(port)
    assert arguments[arguments.index("--load-format") + 1] == "safetensors"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def healthy(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as answer:
            return answer.status == 200
    except (urllib.error.URLError, OSError):
        return False


def wait_until_healthy(process: subprocess.Popen[bytes], port: int) -> None:
    for _ in range(600):
        assert process.poll() is None, "the replica ended before it was healthy"
        if healthy(port):
            return
        time.sleep(0.2)
    raise AssertionError("the replica did not become healthy")


def start(base: Path, port: int) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "BRUK_PORT": str(port), "BRUK_REPLICA_KEY": SECRET}
    command = [sys.executable, "-m", "bruk.recipes.serve", str(base / "config.json")]
    return subprocess.Popen(command, env=environment)


@pytest.fixture
def replica(make_run: Any, tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A served tiny model: its process and port."""
    config, training = make_run("training", steps=4)
    pretrain(config, training)
    base = tmp_path / "serving"
    (base / "data").mkdir(parents=True)
    (base / "data" / "model").symlink_to(training.output_dir / "model")
    (base / "config.json").write_text('{"threads": 1, "engine": "transformers"}')
    port = free_port()
    process = start(base, port)
    try:
        wait_until_healthy(process, port)
        yield process, port
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def client(port: int, key: str = SECRET) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key=key, max_retries=0, timeout=60)


@pytest.mark.slow
def test_the_official_client_works_against_a_replica(replica: tuple[subprocess.Popen[bytes], int]) -> None:
    process, port = replica
    api = client(port)
    assert [model.id for model in api.models.list()] == ["model"]
    check_completions(api)
    check_chat(api)
    check_sampling_is_each_requests_own(api)
    check_refusals(api, port)
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    assert not healthy(port)


def check_completions(api: openai.OpenAI) -> None:
    ask: Any = {"model": "model", "prompt": "def ", "max_tokens": 9, "temperature": 0}
    whole = api.completions.create(**ask)
    assert whole.model == "model"
    assert whole.usage is not None
    assert (whole.usage.completion_tokens, whole.choices[0].finish_reason) == (9, "length")
    assert api.completions.create(**ask).choices[0].text == whole.choices[0].text

    chunks = list(api.completions.create(**ask, stream=True))
    assert "".join(chunk.choices[0].text for chunk in chunks) == whole.choices[0].text
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == 9

    text = whole.choices[0].text
    stop = text[2:4]
    stopped = api.completions.create(**ask, stop=[stop])
    assert stopped.choices[0].text == text[: text.index(stop)]
    assert stopped.choices[0].finish_reason == "stop"
    streamed = list(api.completions.create(**ask, stop=stop, stream=True))
    assert "".join(chunk.choices[0].text for chunk in streamed) == stopped.choices[0].text


def check_chat(api: openai.OpenAI) -> None:
    ask: Any = {"model": "model", "messages": [{"role": "user", "content": "x"}], "temperature": 0}
    whole = api.chat.completions.create(**ask, max_tokens=5)
    assert whole.usage is not None
    assert whole.usage.completion_tokens == 5
    stream = api.chat.completions.create(
        **ask, max_completion_tokens=5, stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    said = [choice.model_fields_set for chunk in chunks for choice in chunk.choices]
    assert all("finish_reason" in fields for fields in said), "clients require it, null while not finished"
    parts = [chunk.choices[0].delta.content or "" for chunk in chunks]
    assert "".join(parts) == whole.choices[0].message.content
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.total_tokens == whole.usage.total_tokens


def check_sampling_is_each_requests_own(api: openai.OpenAI) -> None:
    """Greedy answers stay the same while others sample beside them."""

    def one(number: int) -> str:
        temperature = 0 if number % 2 else 1.5
        done = api.completions.create(model="model", prompt="x", max_tokens=8, temperature=temperature)
        return done.choices[0].text

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        texts = list(pool.map(one, range(12)))
    assert len(set(texts[1::2])) == 1
    assert len(set(texts[0::2])) > 1


def check_refusals(api: openai.OpenAI, port: int) -> None:
    ask: Any = {"model": "model", "prompt": "x"}
    with pytest.raises(openai.AuthenticationError):
        client(port, "another-secret-altogether").completions.create(**ask)
    with pytest.raises(openai.BadRequestError, match="does not support n=2"):
        api.completions.create(**ask, n=2)
    with pytest.raises(openai.BadRequestError, match="context is 32 tokens"):
        api.completions.create(model="model", prompt="a b c d " * 40)
    with pytest.raises(openai.BadRequestError, match="Server is pinned"):
        api.completions.create(model="other", prompt="x")
    with pytest.raises(openai.NotFoundError):
        api.embeddings.create(model="model", input="x")
    whole = api.completions.create(**ask, max_tokens=1000)
    assert whole.usage is not None
    assert whole.usage.total_tokens <= 32


@pytest.mark.slow
def test_a_model_that_is_not_safetensors_ends_the_replica_with_2(tmp_path: Path) -> None:
    (tmp_path / "data" / "model").mkdir(parents=True)
    (tmp_path / "data" / "model" / "config.json").write_text("{}")
    (tmp_path / "data" / "model" / "pytorch_model.bin").write_bytes(b"")
    (tmp_path / "config.json").write_text("{}")
    assert start(tmp_path, free_port()).wait(60) == 2
