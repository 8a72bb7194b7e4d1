"""A whole life of a site as a list of acts, each of which is taken up again when the agent dies in it.

An act moves the agent on (rounds of exchanges), or the world outside it: control's wishes, a run's own
doings, the clock, the site's own key. What is outside does not happen again, so those acts look first.
"""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from tests.agent.conftest import SiteUnderTest, order
from tests.wire.tars import tar_of

from bruk.agent.local_hold import local_answer, raise_local_hold, release_local_hold, standing_local_hold
from bruk.engines.mock import Behaviour
from bruk.model.run import DeviceSet, Observed, StopReason
from bruk.wire.agent import Observation

Act = Callable[["Life"], object]
ROUNDS = 12


class Life:
    """The site, and what control knows of each job: its attempts and how they ended."""

    def __init__(self, site: SiteUnderTest) -> None:
        self.site = site
        self.attempts: Counter[str] = Counter()
        self.ends: dict[str, Observation] = {}
        self.lost_unstarted: list[str] = []
        self.done: set[str] = set()

    def run(self, job: str) -> str:
        return f"{job}_{self.attempts[job]}"

    def handle(self, job: str) -> str:
        return next(name for name in self.site.world.runs if name.startswith(f"{self.run(job)}."))

    def exchange(self) -> None:
        """One round; what is seen of a run that has ended is noted, and must stay what it was."""
        self.site.exchange()
        for seen in self.site.report().observations:
            if seen.observed in (Observed.EXITED, Observed.LOST):
                known = self.ends.setdefault(seen.run, seen)
                assert known == seen, f"the end of {seen.run} was told in two ways"
            else:
                assert seen.run not in self.ends, f"{seen.run} came back to life"

    def replace_unstarted(self, job: str) -> None:
        """Settle an attempt that ended as lost before it ever ran, and want another."""
        run, control = self.run(job), self.site.control
        end = self.ends.get(run)
        if end is None or end.observed is not Observed.LOST:
            return
        assert not any(launch.run == run for launch in self.site.world.launched), end.detail
        self.lost_unstarted.append(run)
        wanted = control.runs[run]
        control.settle(run)
        self.attempts[job] += 1
        control.want(wanted.model_copy(update={"run": self.run(job), "attempt": self.attempts[job]}))

    def rounds(self, ready: Callable[[], object], what: str) -> None:
        for _ in range(ROUNDS):
            self.exchange()
            if ready():
                return
        said = [(seen.run, seen.observed.value, seen.detail) for seen in self.site.report().observations]
        raise AssertionError(f"{what} never came: {said}")

    def once(self, name: str, act: Callable[[], object]) -> None:
        """Something outside the agent, that does not happen again because the agent died."""
        if name not in self.done:
            self.done.add(name)
            act()


def orders(job: str, **more: Any) -> Act:
    """Control wants a first attempt of a job."""

    def act(life: Life) -> None:
        control = life.site.control
        fields = {key: value(control) if callable(value) else value for key, value in more.items()}

        def want() -> None:
            life.attempts[job] += 1
            control.want(order(life.run(job), workload=job, scope=job, **fields))

        life.once(f"order {job}", want)

    return act


def starts(job: str) -> Act:
    """It comes to run; an attempt that the agent gave up unseen is replaced, as control does."""

    def act(life: Life) -> None:
        def running() -> bool:
            life.replace_unstarted(job)
            said = life.site.report().observations
            return any(seen.run == life.run(job) and seen.observed is Observed.RUNNING for seen in said)

        life.rounds(running, f"the start of {job}")

    return act


def is_refused(job: str) -> Act:
    """The engine does not start it, and says so."""

    def act(life: Life) -> None:
        def refused() -> bool:
            life.replace_unstarted(job)
            return life.run(job) in life.ends

        life.rounds(refused, f"the refusal of {job}")

    return act


def writes(job: str) -> Act:
    """The run writes its outputs, its progress and its log."""

    def act(life: Life) -> None:
        def write() -> None:
            folder = life.site.home / "runs" / life.run(job)
            (folder / "outputs" / "record.json").write_text('{"a": 1}')
            (folder / "outputs" / "tree" / "inner").mkdir(parents=True)
            (folder / "outputs" / "tree" / "inner" / "file").write_bytes(b"weights")
            line = {"phase": "train", "step": 5, "loss": 1.5}
            (folder / "work" / "progress.jsonl").write_text(json.dumps(line) + "\n")
            run = life.site.world.runs[life.handle(job)]
            run.behaviour = replace(run.behaviour, output=b"what it said\n")

        life.once(f"write {job}", write)

    return act


def ships(life: Life) -> None:
    """What the loop does every second beside its steps."""
    for course in life.site.hand.courses():
        if not course.shipped:
            course.ship()


def ends(job: str, **how: Any) -> Act:
    """The process ends now, of itself or because nobody knows it any more."""

    def act(life: Life) -> None:
        def end() -> None:
            run = life.site.world.runs[life.handle(job)]
            age_ms = life.site.clock.now_ms() - run.started_at_ms
            given = {name: age_ms if value is None else value for name, value in how.items()}
            run.behaviour = replace(run.behaviour or Behaviour(), **given)

        life.once(f"end {job}", end)
        life.rounds(lambda: life.run(job) in life.ends, f"the end of {job}")

    return act


def told(job: str) -> Act:
    return lambda life: life.rounds(lambda: life.run(job) in life.ends, f"the end of {job}")


def stops(job: str, reason: StopReason = StopReason.CANCELLED) -> Act:
    """Control wants it stopped."""

    def act(life: Life) -> None:
        life.once(f"stop {job}", lambda: life.site.control.stop(life.run(job), stop_reason=reason))

    return act


def settles(job: str) -> Act:
    """Control has taken in its end; its folder goes after a while."""

    def act(life: Life) -> None:
        run = life.run(job)
        life.once(f"settle {run}", lambda: life.site.control.settle(run))
        life.exchange()
        life.exchange()
        passes(life.site.settings.keep_ms, f"after {run}")(life)
        life.rounds(lambda: not (life.site.home / "runs" / run).exists(), f"the going of {run}'s folder")

    return act


def passes(ms: int, name: str) -> Act:
    return lambda life: life.once(f"pass {name}", lambda: life.site.clock.advance(ms))


def outside(name: str, act: Callable[[Life], object]) -> Act:
    return lambda life: life.once(name, lambda: act(life))


def rounds(life: Life) -> None:
    for _ in range(3):
        life.exchange()


def key_off(life: Life) -> None:
    """A person at the site turns its own key; who is not sure does it again."""
    site = life.site
    raise_local_hold(site.home, "ada", "smoke", site.clock)


def key_on(life: Life) -> None:
    if standing_local_hold(life.site.home) is not None:
        release_local_hold(life.site.home, "ada", "no smoke", life.site.clock)


def key_answered(processes: int) -> Act:
    def act(life: Life) -> None:
        def answered() -> bool:
            answer = local_answer(life.site.home)
            return answer is not None and answer.processes_left == processes and answer.generation > 0

        life.rounds(answered, "the answer to the site's own key")

    return act


def forgets_record(job: str) -> Act:
    """The agent's own file on a run is gone: the engine has it still."""

    def act(life: Life) -> None:
        (life.site.home / "runs" / life.run(job) / "agent.json").unlink()
        life.site.restart()

    return outside(f"forget {job}", act)


def loses_run(life: Life) -> None:
    """The engine has forgotten a run, as after its folder was wiped; the agent starts anew."""
    del life.site.world.runs[life.handle("wiped")]
    life.site.restart()


def _file(control: Any) -> Any:
    return [
        control.put("text", b"x" * 300),
        control.put("tree", tar_of(("a", None), ("a/b", b"leaf")), "tree"),
    ]


def _damaged(control: Any) -> Any:
    item = control.put("text", b"y" * 200)
    control.blobs[item.digest] = b"z" * 200
    return [item]


def _digest_of(life: Life) -> str:
    return life.site.control.runs[life.run("damaged")].inputs[0].digest


def mends(life: Life) -> None:
    """Control has the right bytes again."""
    life.site.control.blobs[_digest_of(life)] = b"y" * 200


def fills(life: Life) -> None:
    """The disk is nearly full: a run waits, and the cache gives up what none needs."""
    life.site.settings = replace(life.site.settings, reserve_bytes=2**62)
    life.site.restart()


def empties(life: Life) -> None:
    life.site.settings = replace(life.site.settings, reserve_bytes=0)
    life.site.restart()


def leaves_too_much(life: Life) -> None:
    """More of an input lies here than there is of it, as after another's mishap."""
    item = life.site.control.put("again", b"w" * 50)
    (life.site.home / "cache" / "parts" / item.digest).write_bytes(b"w" * 500)


def checkpoints_go(life: Life) -> None:
    life.rounds(lambda: not any((life.site.home / "work").iterdir()), "the going of checkpoints")


WHOLE: list[Act] = [
    rounds,
    orders("train", inputs=_file, outputs=["record.json", "tree"], recipe="pretrain", config={"a": 1}),
    starts("train"),
    writes("train"),
    ships,
    passes(60_000, "training"),
    rounds,
    passes(60_000, "training more"),
    rounds,
    ends("train", ends_after_ms=None, exit_code=0),
    ships,
    settles("train"),
    orders("damaged", inputs=_damaged),
    rounds,
    outside("mended", mends),
    passes(10_000, "mended"),
    starts("damaged"),
    ends("damaged", ends_after_ms=None, exit_code=3),
    settles("damaged"),
    outside("full", fills),
    outside("too much", leaves_too_much),
    orders("again", inputs=lambda control: [control.put("again", b"w" * 50)]),
    rounds,
    outside("room", empties),
    starts("again"),
    ends("again", ends_after_ms=None),
    settles("again"),
    orders("serve", replica=True, replica_key="k"),
    starts("serve"),
    rounds,
    forgets_record("serve"),
    rounds,
    orders("other", placement=[DeviceSet("node-1", (1,))]),
    starts("other"),
    key_off,
    key_answered(0),
    told("serve"),
    told("other"),
    rounds,
    key_on,
    rounds,
    settles("serve"),
    settles("other"),
    orders("held"),
    starts("held"),
    outside("hold", lambda life: life.site.control.hold()),
    told("held"),
    rounds,
    orders("never"),
    rounds,
    stops("never"),
    told("never"),
    outside("release", lambda life: life.site.control.release()),
    settles("never"),
    settles("held"),
    orders("stopped"),
    starts("stopped"),
    passes(7_000, "stopped"),
    rounds,
    stops("stopped"),
    told("stopped"),
    settles("stopped"),
    orders("lost"),
    starts("lost"),
    passes(9_000, "lost"),
    rounds,
    ends("lost", lost_after_ms=None),
    settles("lost"),
    orders("wiped"),
    starts("wiped"),
    outside("wiped", loses_run),
    told("wiped"),
    settles("wiped"),
    orders("unknown", started=True),
    told("unknown"),
    settles("unknown"),
    orders("refused", placement=[DeviceSet("node-9", (0,))]),
    is_refused("refused"),
    settles("refused"),
    outside("close", lambda life: life.site.control.closed.update(life.attempts)),
    checkpoints_go,
    rounds,
]
