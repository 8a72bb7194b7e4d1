"""How often and how much: requests and tokens per minute, and how many at once.

Limits apply to a key, its project and its tenant alike: a request passes only if every limit that it falls
under lets it. Rates are token buckets in exact integers: a bucket holds a minute's worth, is full at
first and refills evenly, so a burst after quiet can bring twice the limit into one minute, and the long
run never exceeds the rate. Time is given by the caller and may stand still; a step back counts as
standing still. It must never let a refused request use up part of another limit.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from bruk.model.errors import BrukError, ErrorKind
from bruk.model.tenant import RateLimits

MS_PER_MINUTE = 60_000


class RateLimited(BrukError):
    """A limit on rate or concurrency is reached; ``retry_after_ms`` says when to try again."""

    code = "rate_limited"
    kind = ErrorKind.EXHAUSTED

    def __init__(self, message: str, retry_after_ms: int | None, **detail: object) -> None:
        super().__init__(message, retry_after_ms=retry_after_ms, **detail)
        self.retry_after_ms = retry_after_ms


@dataclass(slots=True)
class Bucket:
    """A token bucket. Its level is kept in units of 1/60000, so that refilling is exact.

    Attributes:
        per_minute: what flows in each minute, and the most it holds.
        level: units times ``MS_PER_MINUTE``; below zero after a correction upwards.
        at_ms: when the level was right [ms].
    """

    per_minute: int
    level: int
    at_ms: int

    @classmethod
    def full(cls, per_minute: int, at_ms: int) -> "Bucket":
        """A bucket that nobody has drawn from."""
        return cls(per_minute, per_minute * MS_PER_MINUTE, at_ms)

    def refill(self, now_ms: int) -> None:
        """Let in what has flowed until now."""
        if now_ms > self.at_ms:
            inflow = (now_ms - self.at_ms) * self.per_minute
            self.level = min(self.per_minute * MS_PER_MINUTE, self.level + inflow)
            self.at_ms = now_ms

    def wait_ms(self, units: int) -> int | None:
        """How long until these units can be drawn [ms]; 0 is now, None is never."""
        missing = units * MS_PER_MINUTE - self.level
        if missing <= 0:
            return 0
        if units > self.per_minute:
            return None
        return -(-missing // self.per_minute)

    def draw(self, units: int) -> None:
        """Take units out; negative ones are put back, and never over the brim."""
        self.level = min(self.per_minute * MS_PER_MINUTE, self.level - units * MS_PER_MINUTE)

    @property
    def full_in_ms(self) -> int:
        """How long until it is full, if nobody draws from it [ms]; 0 for one that lets nothing in."""
        missing = self.per_minute * MS_PER_MINUTE - self.level
        return -(-missing // self.per_minute) if self.per_minute else 0


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a rate stands.

    Attributes:
        per_minute: the rate.
        left: what may be drawn now.
        full_in_ms: how long until all of it may [ms].
    """

    per_minute: int
    left: int
    full_in_ms: int


@dataclass(slots=True)
class _Meter:
    limits: RateLimits
    requests: Bucket | None
    tokens: Bucket | None
    running: set[str] = field(default_factory=set)


class Limiter:
    """The limits of many subjects (keys, projects, tenants), by name."""

    def __init__(self) -> None:
        self._meters: dict[str, _Meter] = {}
        self._running: dict[str, tuple[tuple[str, ...], int]] = {}

    def allow(self, subject: str, limits: RateLimits, now_ms: int) -> None:
        """Set what a subject may do. A first rate starts full; another one goes on from what was left, so
        that changing it to and fro gives nothing away."""
        meter = self._meters.get(subject)
        if meter is None:
            meter = self._meters[subject] = _Meter(limits, None, None)
        elif meter.limits == limits:
            return
        meter.limits = limits
        meter.requests = _changed(meter.requests, limits.requests_per_minute, now_ms)
        meter.tokens = _changed(meter.tokens, limits.tokens_per_minute, now_ms)

    def allow_only(self, limits: Mapping[str, RateLimits], now_ms: int) -> None:
        """Set what these subjects may do, and limit no other any more."""
        for subject in self._meters.keys() - limits.keys():
            self.allow(subject, RateLimits(), now_ms)
            if not self._meters[subject].running:
                del self._meters[subject]
        for subject, allowed in limits.items():
            self.allow(subject, allowed, now_ms)

    def begin(self, request: str, subjects: tuple[str, ...], tokens: int, now_ms: int) -> None:
        """Let a request begin under all limits of its subjects, or refuse it and change nothing.

        Subjects without limits are not limited. Beginning the same request twice changes nothing.

        Args:
            subjects: its key and its project
            tokens: the most that it may use, prompt and answer [tokens]

        Raises:
            RateLimited: a limit is reached; the first in the order of subjects is named.
        """
        if request in self._running:
            return
        meters = [(name, self._meters[name]) for name in subjects if name in self._meters]
        if not meters:
            return
        for name, meter in meters:
            _check(name, meter, tokens, now_ms)
        for _, meter in meters:
            meter.running.add(request)
            if meter.requests is not None:
                meter.requests.draw(1)
            if meter.tokens is not None:
                meter.tokens.draw(tokens)
        self._running[request] = (tuple(name for name, _ in meters), tokens)

    def end(self, request: str, tokens: int, now_ms: int) -> None:
        """A request has ended; put back the tokens that it did not use, or take those beyond.

        Ending one that does not run changes nothing.
        """
        subjects, reserved = self._running.pop(request, ((), 0))
        for name in subjects:
            meter = self._meters.get(name)
            if meter is None:
                continue
            meter.running.discard(request)
            if meter.tokens is not None:
                meter.tokens.refill(now_ms)
                meter.tokens.draw(tokens - reserved)

    def running(self, subject: str) -> int:
        """How many requests of a subject run."""
        meter = self._meters.get(subject)
        return len(meter.running) if meter is not None else 0

    def standing(self, subjects: tuple[str, ...], now_ms: int) -> dict[str, Standing]:
        """What is left of the tightest rate of each kind, ``requests`` and ``tokens``, where there is one."""
        found: dict[str, Standing] = {}
        for meter in [self._meters[name] for name in subjects if name in self._meters]:
            for kind, bucket in (("requests", meter.requests), ("tokens", meter.tokens)):
                if bucket is None:
                    continue
                bucket.refill(now_ms)
                here = Standing(bucket.per_minute, max(0, bucket.level // MS_PER_MINUTE), bucket.full_in_ms)
                if kind not in found or here.left < found[kind].left:
                    found[kind] = here
        return found


def _changed(bucket: Bucket | None, per_minute: int | None, now_ms: int) -> Bucket | None:
    if per_minute is None:
        return None
    if bucket is None:
        return Bucket.full(per_minute, now_ms)
    bucket.refill(now_ms)
    bucket.per_minute = per_minute
    bucket.draw(0)
    return bucket


def _check(name: str, meter: _Meter, tokens: int, now_ms: int) -> None:
    concurrent = meter.limits.concurrent
    if concurrent is not None and len(meter.running) >= concurrent:
        raise RateLimited(
            f"{name} has {len(meter.running)} requests running and may have {concurrent}."
            " Wait until one of them has ended.",
            None,
            subject=name,
            limit="concurrent",
        )
    for what, bucket, units in (("requests", meter.requests, 1), ("tokens", meter.tokens, tokens)):
        if bucket is None:
            continue
        bucket.refill(now_ms)
        wait_ms = bucket.wait_ms(units)
        if wait_ms is None:
            raise RateLimited(
                f"The request may use {units} {what} and {name} may use {bucket.per_minute} a minute, so it"
                " can never be let through. Ask for fewer tokens, or have the limit raised.",
                None,
                subject=name,
                limit=f"{what}_per_minute",
            )
        if wait_ms:
            raise RateLimited(
                f"{name} has reached its limit of {bucket.per_minute} {what} a minute."
                f" Try again in {wait_ms / 1000:.3f} s.",
                wait_ms,
                subject=name,
                limit=f"{what}_per_minute",
            )
