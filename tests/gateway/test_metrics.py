"""What a gateway tells Prometheus of what it served."""

from __future__ import annotations

import openai
import pytest
from prometheus_client.parser import text_string_to_metric_families

from .conftest import HTTP, World, ask, wait_until


def figures(world: World) -> dict[str, float]:
    text = HTTP.get(f"{world.url}/metrics").text
    return {
        sample.name + "".join(f"|{value}" for value in sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_requests_tokens_and_times_are_counted(world: World) -> None:
    world.fault("", pause_s=0.05)
    answer = ask(world.client())
    chunks = list(ask(world.client(), stream=True, stream_options={"include_usage": True}))
    usage = [answer.usage, chunks[-1].usage]
    with pytest.raises(openai.NotFoundError):
        ask(world.client(), model="no-such-model")
    found = figures(world)
    assert found["bruk_gateway_requests_total|complete"] == 2
    assert found["bruk_gateway_refusals_total|model_not_found"] == 1
    assert found["bruk_gateway_tokens_total|in"] == sum(one.prompt_tokens for one in usage)
    assert found["bruk_gateway_tokens_total|out"] == sum(one.completion_tokens for one in usage)
    assert found["bruk_gateway_time_to_first_token_seconds_count"] == 1, "of the stream alone"
    assert found["bruk_gateway_request_duration_seconds_count"] == 2
    whole, first = (
        found[f"bruk_gateway_{name}_seconds_sum"] for name in ("request_duration", "time_to_first_token")
    )
    assert 0 < first <= whole
    assert found["bruk_gateway_time_per_output_token_seconds_sum"] > 0
    assert (found["bruk_gateway_requests_in_flight"], found["bruk_gateway_lease_valid"]) == (0, 1)


def test_what_the_ledger_does_not_have_yet_is_counted(world: World) -> None:
    world.control.settle = False
    ask(world.client())
    wait_until(lambda: figures(world)["bruk_gateway_usage_records_waiting"] == 1, "a record waits")
    world.control.settle = True
    world.control.change()
    wait_until(lambda: figures(world)["bruk_gateway_usage_records_waiting"] == 0, "it is settled")


def test_a_client_that_went_is_counted_as_such(world: World) -> None:
    world.fault("", pause_s=0.2)
    stream = ask(world.client(), stream=True)
    next(iter(stream))
    stream.close()
    wait_until(lambda: figures(world).get("bruk_gateway_requests_total|client_gone") == 1, "it is counted")
