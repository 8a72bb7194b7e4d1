"""Which replica is tried first: the least outstanding work, where a prompt's beginning was seen, no sick one.

An engine keeps what it computed for a prompt's beginning, so that requests which share a long one are sent
where it is kept, unless that replica has much more to do than another. A replica that failed is tried last
for a while that doubles with each further failure, and then by one request at a time until one succeeds. It
must never leave a replica out: what is ranked last is still tried when all others fail. Look next at `relay`,
which asks.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass

from bruk.model.clock import Clock
from bruk.wire.gateway import ReplicaRoute

# A replica that failed is tried last for so long, and twice that after each further failure, up to the most
# [ms]. The first is one sync of an agent, by when a dead run is known to be dead.
COOL_MS = 5_000
COOL_MS_MAX = 60_000
# A prompt's beginning is compared in pieces of so many bytes. Four characters a token make it eight of vLLM's
# pages of 16 tokens (its default block size); what is shorter is computed in no time.
PIECE_BYTES = 512
PIECES_MAX = 32
# Beginnings that are remembered; at about 200 bytes each, a few megabytes.
BEGINNINGS_MAX = 20_000
# A replica that has so much more to do than the least busy one is too busy to be sent what it has kept.
AHEAD_MAX = 4


@dataclass(slots=True)
class _Health:
    """Of a replica that failed and has not succeeded since."""

    failures: int
    cool_until_ms: int


class Choice:
    """What is known of replicas, by their runs."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._outstanding: dict[str, int] = {}
        self._sick: dict[str, _Health] = {}
        self._last_turn: dict[str, int] = {}
        self._turn = 0
        self._seen: OrderedDict[bytes, str] = OrderedDict()

    def order(
        self, replicas: Iterable[ReplicaRoute], tenant: str = "", prompt: bytes = b""
    ) -> list[ReplicaRoute]:
        """Replicas in the order to try them.

        Args:
            tenant: whose prompt it is; beginnings of others tell nothing.
            prompt: as the client sent it.
        """
        now_ms = self._clock.monotonic_ms()

        def rank(replica: ReplicaRoute) -> tuple[bool, int, int, str]:
            run = replica.run
            busy = self._outstanding.get(run, 0)
            return self._is_sick(run, busy, now_ms), busy, self._last_turn.get(run, 0), run

        order = sorted(replicas, key=rank)
        if len(order) > 1 and len(prompt) >= PIECE_BYTES:
            self._prefer_kept(order, _beginnings(tenant, prompt), now_ms)
        return order

    def begins(self, run: str) -> None:
        """A request is sent to it."""
        self._turn += 1
        self._last_turn[run] = self._turn
        self._outstanding[run] = self._outstanding.get(run, 0) + 1
        if len(self._last_turn) > 10_000:
            # Runs that ended long ago; who is at work is in the other table.
            self._last_turn.clear()

    def ends(self, run: str) -> None:
        """A request that was sent to it is done with."""
        left = self._outstanding[run] - 1
        if left:
            self._outstanding[run] = left
        else:
            del self._outstanding[run]

    def failed(self, run: str) -> None:
        """It did not answer, or broke its answer off."""
        failures = self._sick[run].failures + 1 if run in self._sick else 1
        cool_ms = min(COOL_MS_MAX, COOL_MS * 2 ** min(failures - 1, 10))
        self._sick[run] = _Health(failures, self._clock.monotonic_ms() + cool_ms)
        if len(self._sick) > 10_000:
            self._sick.pop(next(iter(self._sick)))

    def succeeded(self, run: str) -> None:
        """It answered."""
        if run in self._sick:
            del self._sick[run]

    def _is_sick(self, run: str, busy: int, now_ms: int) -> bool:
        health = self._sick.get(run)
        # Once it has cooled down, one request finds out whether it is well again.
        return health is not None and (now_ms < health.cool_until_ms or busy > 0)

    def _prefer_kept(self, order: list[ReplicaRoute], beginnings: list[bytes], now_ms: int) -> None:
        """Put the replica that has seen the longest beginning in front, and remember who is in front."""
        by_run = {replica.run: replica for replica in order}
        kept = next((run for key in reversed(beginnings) if (run := self._seen.get(key)) in by_run), None)
        if kept is not None:
            busy = self._outstanding.get(kept, 0)
            least = min(self._outstanding.get(run, 0) for run in by_run)
            if busy <= least + AHEAD_MAX and not self._is_sick(kept, busy, now_ms):
                order.remove(by_run[kept])
                order.insert(0, by_run[kept])
        for key in beginnings:
            self._seen[key] = order[0].run
            self._seen.move_to_end(key)
        while len(self._seen) > BEGINNINGS_MAX:
            self._seen.popitem(last=False)


def _beginnings(tenant: str, prompt: bytes) -> list[bytes]:
    """A digest of each of the prompt's beginnings of whole pieces, the shortest first."""
    found = []
    state = hashlib.blake2b(tenant.encode(), digest_size=16)
    for end in range(PIECE_BYTES, min(len(prompt), PIECES_MAX * PIECE_BYTES) + 1, PIECE_BYTES):
        state.update(prompt[end - PIECE_BYTES : end])
        found.append(state.digest())
    return found
