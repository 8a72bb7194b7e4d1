"""What a seed means: the sites, the work that arrives, what people do, and the faults that strike.

A scenario is drawn whole before anything runs, from streams of chance by name. Sizes and rates are chosen so
that a day is full: queues form, everything that can go wrong does. They are a scenario's, not a site's.
"""

from dataclasses import dataclass
from enum import StrEnum

from bruk.twin.world.chance import Chance

MINUTE_MS = 60_000
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS


@dataclass(frozen=True, slots=True)
class Place:
    """A site: its law, its power, its nodes."""

    name: str
    country: str
    grid_zone: str
    nodes: int
    devices: int
    stops_when_cut_off: bool


PLACES = (
    Place("essonne", "FR", "FR", 3, 8, stops_when_cut_off=False),
    Place("borlange", "SE", "SE-SE3", 4, 4, stops_when_cut_off=True),
    Place("meluxina", "LU", "LU", 2, 8, stops_when_cut_off=False),
)
ACCELERATOR = "h100-sxm"
# Tenants and the countries that their law allows; none: anywhere.
TENANTS: dict[str, tuple[str, ...]] = {
    "acme": (),
    "lumen": ("FR",),
    "nordic": ("SE", "LU"),
    "adler": ("DE", "FR"),
}
MODEL = "storm-lm"
OWNER = "acme/lab"
# A process' line of time does not jump while it lives (``assembly.clock``), so what a clock does to it stays
# within what control takes for an error (``control.skew.CLOCK_SKEW_MS``).
CLOCK_WRONG_MS_MAX = 4_000


@dataclass(frozen=True, slots=True)
class Work:
    """One job that somebody submits.

    Attributes:
        runs_for_ms: how long it computes in all, over its attempts [ms].
        fails_first: attempts that end with ``exit_code`` before one succeeds.
        stop_takes_ms: from SIGTERM to its end [ms].
        impossible: no place will ever do for it.
    """

    number: int
    at_ms: int
    project: str
    priority: int
    nodes: int
    devices: int
    runs_for_ms: int
    time_limit_s: int
    exit_code: int = 0
    fails_first: int = 0
    retry_limit: int = 2
    stop_takes_ms: int = 2_000
    launch_errors: int = 0
    preemptible: bool = True
    impossible: bool = False
    purpose: str = ""


class Deed(StrEnum):
    """What people do. Those that last are undone after a while."""

    OFF = "off"
    LOCAL_OFF = "local_off"
    DRAIN = "drain"
    NARROW = "narrow"
    BUDGET = "budget"
    CANCEL = "cancel"
    SCALE = "scale"
    PRICE = "price"
    MODEL = "model"


@dataclass(frozen=True, slots=True)
class Act:
    """Somebody does something to something, and undoes it after ``lasts_ms`` [ms]."""

    at_ms: int
    deed: Deed
    target: str
    lasts_ms: int = 0
    number: int = 0


class Kind(StrEnum):
    """Faults, by where they strike."""

    MESSAGE_LOST = "message_lost"
    ANSWER_LOST = "answer_lost"
    MESSAGE_REPEATED = "message_repeated"
    MESSAGE_LATE = "message_late"
    ANSWER_LATE = "answer_late"
    AGENT_CUT_OFF = "agent_cut_off"
    AGENT_KILLED = "agent_killed"
    ENGINE_AWAY = "engine_away"
    NODE_LOST = "node_lost"
    REBOOT = "reboot"
    CLOCK_WRONG = "clock_wrong"
    CONTROL_KILLED = "control_killed"
    DISK_FULL = "disk_full"
    GATEWAY_CUT_OFF = "gateway_cut_off"
    GATEWAY_KILLED = "gateway_killed"


ON_MESSAGES = (
    Kind.MESSAGE_LOST,
    Kind.ANSWER_LOST,
    Kind.MESSAGE_REPEATED,
    Kind.MESSAGE_LATE,
    Kind.ANSWER_LATE,
)
KILL_POINTS = ("", "before launch", "after launch", "before stop", "after stop")
CALL_POINTS = ("", "before the journal", "before the answer")


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault strikes a site (or the gateway there) and ends after ``lasts_ms`` [ms].

    Attributes:
        point: where a process is killed; empty: between two steps.
        amount: statements until control is killed, messages that come through before one does not, or how
            wrong a clock is [ms].
    """

    at_ms: int
    kind: Kind
    site: str
    lasts_ms: int
    point: str = ""
    amount: int = 0


@dataclass(frozen=True, slots=True)
class Scenario:
    """Everything that a seed decides; all times from the beginning of the world [ms]."""

    seed: int
    day_ms: int
    work: tuple[Work, ...]
    acts: tuple[Act, ...]
    faults: tuple[Fault, ...]


def draw(seed: int, *, workloads: int = 200, faults: int = 32, day_ms: int = DAY_MS) -> Scenario:
    """The scenario of a seed."""
    return Scenario(
        seed,
        day_ms,
        tuple(_work(Chance(seed, "work"), workloads, day_ms)),
        tuple(_acts(Chance(seed, "acts"), workloads, day_ms)),
        tuple(_faults(Chance(seed, "faults"), faults, day_ms)),
    )


def _work(chance: Chance, count: int, day_ms: int) -> list[Work]:
    found = [
        Work(0, 0, OWNER, 80, 1, 1, 20 * MINUTE_MS, 7200, retry_limit=50, purpose="make"),
    ]
    tenants = sorted(TENANTS)
    for number in range(1, count):
        runs_for_ms = chance.log_whole(2 * MINUTE_MS, 4 * HOUR_MS)
        nodes = chance.pick((1, 1, 1, 1, 1, 2))
        too_long = chance.true(30)
        limit_ms = runs_for_ms // 2 if too_long else runs_for_ms * 2 + 10 * MINUTE_MS
        impossible = chance.true(10)
        found.append(
            Work(
                number,
                chance.whole(0, day_ms * 8 // 10),
                f"{chance.pick(tenants)}/lab",
                chance.pick((20, 50, 50, 50, 80)),
                nodes,
                64 if impossible else chance.pick((1, 1, 2, 2, 4, 4)),
                runs_for_ms,
                max(60, limit_ms // 1000),
                exit_code=chance.pick((0, 0, 0, 0, 1, 3, 137)),
                fails_first=chance.pick((0, 1, 1, 9)),
                stop_takes_ms=chance.pick((500, 2_000, 20_000, 100_000)),
                launch_errors=1 if chance.true(30) else 0,
                preemptible=chance.true(800),
                impossible=impossible,
            )
        )
    return found


def _acts(chance: Chance, workloads: int, day_ms: int) -> list[Act]:
    sites = [place.name for place in PLACES]
    tenants = sorted(TENANTS)
    last_ms = day_ms * 9 // 10
    found = [Act(ms, Deed.MODEL, MODEL) for ms in range(30 * MINUTE_MS, last_ms, 30 * MINUTE_MS)]

    def add(deed: Deed, target: str, low_ms: int, high_ms: int, number: int = 0) -> None:
        found.append(Act(chance.whole(0, last_ms), deed, target, chance.whole(low_ms, high_ms), number))

    for _ in range(chance.whole(2, 4)):
        add(Deed.OFF, f"site/{chance.pick(sites)}", 20 * MINUTE_MS, 2 * HOUR_MS)
    add(Deed.OFF, f"tenant/{chance.pick(tenants)}", 20 * MINUTE_MS, 2 * HOUR_MS)
    add(Deed.OFF, f"model/{MODEL}", 20 * MINUTE_MS, 2 * HOUR_MS)
    if chance.true(500):
        add(Deed.OFF, "platform/*", 20 * MINUTE_MS, HOUR_MS)
    for _ in range(chance.whole(1, 2)):
        add(Deed.LOCAL_OFF, chance.pick(sites), 20 * MINUTE_MS, 2 * HOUR_MS)
    for _ in range(2):
        add(Deed.DRAIN, chance.pick(sites), HOUR_MS, 4 * HOUR_MS)
    add(Deed.NARROW, chance.pick(tenants), HOUR_MS, 4 * HOUR_MS)
    add(Deed.BUDGET, f"{chance.pick(tenants)}/lab", HOUR_MS, 4 * HOUR_MS)
    for _ in range(workloads // 15):
        add(Deed.CANCEL, "", 0, 0, chance.whole(1, workloads - 1))
    for _ in range(4):
        add(Deed.SCALE, MODEL, 0, 0, chance.whole(0, 3))
    for _ in range(2):
        add(Deed.PRICE, "device_time", 0, 0, chance.whole(1, 9) * 1_000_000)
    return found


def _faults(chance: Chance, count: int, day_ms: int) -> list[Fault]:
    kinds = list(Kind)
    # Each kind at least once where there is room, the rest as chance will have it.
    chosen = chance.shuffled(kinds)[:count]
    chosen += [chance.pick(kinds) for _ in range(count - len(chosen))]
    sites = [place.name for place in PLACES]
    found = []
    for kind in chosen:
        point, amount = "", 0
        lasts_ms = chance.log_whole(5 * MINUTE_MS, 100 * MINUTE_MS)
        match kind:
            case Kind.AGENT_KILLED:
                point = chance.pick(KILL_POINTS)
            case Kind.GATEWAY_KILLED:
                point = chance.pick(CALL_POINTS)
            case Kind.CONTROL_KILLED:
                amount = chance.log_whole(1, 400)
            case Kind.CLOCK_WRONG:
                amount = chance.pick((-1, 1)) * chance.log_whole(100, CLOCK_WRONG_MS_MAX)
            case _ if kind in ON_MESSAGES:
                amount = chance.whole(0, 2)
            case _:
                pass
        at_ms = chance.whole(day_ms // 50, day_ms * 9 // 10)
        found.append(Fault(at_ms, kind, chance.pick(sites), lasts_ms, point, amount))
    return found
