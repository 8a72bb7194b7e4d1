"""The bounds of one gateway process. Every one of them protects memory or time; none is a price or a
quota."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """What one gateway process accepts at most.

    Attributes:
        body_bytes: longest request body [bytes].
        answer_bytes: longest answer that is not streamed, and longest event of one that is [bytes].
        requests: requests admitted at once, those whose body is still being read included.
        bodies_bytes: all their bodies together [bytes].
        body_s: a client's time to send its body [s].
        first_byte_s: a replica's time to begin its answer [s].
        idle_s: longest silence of a replica in the middle of an answer [s].
        connect_s: a replica's time to take a connection [s].
        attempts: replicas tried before the request fails.
        drain_s: time that running answers get when the process is told to stop; after it they are cut and
            billed as far as they came [s].
        after_lease_s: time that running answers get when the lease has ended. None by default: a receipt of
            the switch counts a gateway whose lease has ended as off [s].
        discard_bytes, discard_s: how much of a refused body is read and thrown away, so that the client
            gets to read the refusal [bytes, s].
        lease_ms: longest life of a lease that is believed, whatever it says [ms].
    """

    body_bytes: int = 8 * 2**20
    answer_bytes: int = 64 * 2**20
    requests: int = 4096
    bodies_bytes: int = 256 * 2**20
    body_s: float = 60.0
    first_byte_s: float = 300.0
    idle_s: float = 120.0
    connect_s: float = 5.0
    attempts: int = 3
    drain_s: float = 30.0
    after_lease_s: float = 0.0
    discard_bytes: int = 256 * 2**20
    discard_s: float = 10.0
    lease_ms: int = 60_000
