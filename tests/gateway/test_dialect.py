"""What Mistral's dialect says in its own words reaches engines in those that they understand."""

from __future__ import annotations

import json

from .conftest import HTTP, World

KEY = {"authorization": "Bearer acme"}


def send(world: World, **more: object) -> tuple[int, dict[str, object]]:
    body = {"model": "little", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 2, **more}
    answer = HTTP.post(f"{world.url}/v1/chat/completions", json=body, headers=KEY)
    return answer.status_code, answer.json()


def test_a_random_seed_is_a_seed(shared: World) -> None:
    assert send(shared, random_seed=11)[0] == 200
    bodies = [json.loads(body) for upstream in shared.upstreams for body in upstream.raw_bodies]
    (mine,) = [body for body in bodies if body.get("seed") == 11]
    assert "random_seed" not in mine


def test_two_seeds_are_one_too_many(shared: World) -> None:
    status, said = send(shared, random_seed=11, seed=12)
    assert (status, said["error"]["param"]) == (400, "random_seed")  # type: ignore[index]


def test_a_model_is_described_for_both(shared: World) -> None:
    model = HTTP.get(f"{shared.url}/v1/models/little", headers=KEY).json()
    assert (model["object"], model["type"], model["max_context_length"]) == ("model", "base", 256)
    assert model["capabilities"] == {"completion_chat": True}
