"""Which replica is tried first, from what is known of each."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bruk.gateway.choice import AHEAD_MAX, BEGINNINGS_MAX, COOL_MS, COOL_MS_MAX, PIECE_BYTES, Choice
from bruk.model.clock import ManualClock
from bruk.wire.gateway import ReplicaRoute

from .conftest import World, ask


def replicas(count: int) -> list[ReplicaRoute]:
    return [
        ReplicaRoute(run=f"run-{index}", site="essonne", address="http://127.0.0.1:9", key="k")
        for index in range(count)
    ]


def first(choice: Choice, among: list[ReplicaRoute], prompt: bytes = b"", tenant: str = "acme") -> str:
    return choice.order(among, tenant, prompt)[0].run


def test_the_least_busy_comes_first_and_equals_take_turns() -> None:
    choice, three = Choice(ManualClock()), replicas(3)
    sent = []
    for _ in range(6):
        sent.append(first(choice, three))
        choice.begins(sent[-1])
    assert sent == ["run-0", "run-1", "run-2"] * 2
    choice.ends("run-1")
    assert first(choice, three) == "run-1"


def test_one_that_failed_is_last_for_longer_each_time_and_comes_back_by_one_request() -> None:
    clock = ManualClock()
    choice, two = Choice(clock), replicas(2)
    cool_ms = COOL_MS
    while cool_ms < 4 * COOL_MS_MAX:
        choice.failed("run-0")
        assert first(choice, two) == "run-1"
        clock.advance(min(cool_ms, COOL_MS_MAX) - 1)
        assert first(choice, two) == "run-1"
        clock.advance(1)
        assert first(choice, two) == "run-0", "one request finds out"
        choice.begins("run-0")
        assert first(choice, two) == "run-1", "and only one"
        choice.ends("run-0")
        choice.begins("run-1")
        choice.ends("run-1")
        cool_ms *= 2
    choice.succeeded("run-0")
    choice.begins("run-0")
    choice.begins("run-1")
    choice.begins("run-1")
    assert first(choice, two) == "run-0", "it is as good as any again"


def conversation(number: int, turns: int) -> bytes:
    """A chat that grows: each turn begins with all the turns before."""
    return b"".join(b"%d/%d " % (number, turn) + b"x" * PIECE_BYTES for turn in range(turns))


def test_a_conversation_stays_where_its_beginning_is_kept() -> None:
    choice, four = Choice(ManualClock()), replicas(4)
    homes = {number: first(choice, four, conversation(number, 1)) for number in range(8)}
    for turns in range(2, 6):
        for number, home in homes.items():
            run = first(choice, four, conversation(number, turns))
            assert run == home
            choice.begins(run)
            choice.ends(run)


def test_a_replica_that_is_too_busy_is_spared_and_the_beginning_moves_along() -> None:
    choice, two = Choice(ManualClock()), replicas(2)
    prompt = conversation(1, 3)
    home = first(choice, two, prompt)
    for _ in range(AHEAD_MAX):
        choice.begins(home)
    assert first(choice, two, prompt) == home
    choice.begins(home)
    other = first(choice, two, prompt)
    assert other != home
    for _ in range(AHEAD_MAX + 1):
        choice.ends(home)
    assert first(choice, two, prompt) == other


def test_a_sick_one_is_not_preferred_and_other_tenants_and_short_prompts_tell_nothing() -> None:
    choice, two = Choice(ManualClock()), replicas(2)
    prompt = conversation(1, 2)
    assert first(choice, two, prompt) == "run-0"
    choice.begins("run-0")
    assert first(choice, two, prompt) == "run-0"
    assert first(choice, two, prompt, tenant="other") == "run-1"
    assert first(choice, two, prompt[: PIECE_BYTES - 1]) == "run-1"
    choice.failed("run-0")
    assert first(choice, two, prompt) == "run-1"


def test_what_is_remembered_is_bounded() -> None:
    choice, two = Choice(ManualClock()), replicas(2)
    for number in range(BEGINNINGS_MAX // 2):
        first(choice, two, conversation(number, 4))
    assert len(choice._seen) == BEGINNINGS_MAX


def test_a_growing_chat_goes_to_one_replica_through_a_real_gateway(world: World) -> None:
    # Three chats on two replicas: taking turns alone would send each of them to both.
    for turns in range(1, 4):
        for number in range(3):
            said = conversation(number, turns).decode()
            ask(world.client(), messages=[{"role": "user", "content": said}])
    seen = [
        {body.decode()[:200].partition("content")[2][:8] for body in upstream.raw_bodies}
        for upstream in world.upstreams
    ]
    assert not seen[0] & seen[1], "no chat was at both"
    assert len(seen[0] | seen[1]) == 3


@given(st.lists(st.tuples(st.sampled_from(["begins", "ends", "failed", "succeeded"]), st.integers(0, 3))))
def test_every_replica_is_in_the_order_once(acts: list[tuple[str, int]]) -> None:
    choice, four = Choice(ManualClock()), replicas(4)
    begun = [0] * 4
    for act, index in acts:
        if act == "ends" and not begun[index]:
            continue
        begun[index] += {"begins": 1, "ends": -1}.get(act, 0)
        getattr(choice, act)(f"run-{index}")
        order = choice.order(four, "acme", conversation(index, 2))
        assert sorted(replica.run for replica in order) == [replica.run for replica in four]
