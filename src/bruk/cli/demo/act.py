"""What every act works with: the story so far, and ways to wait for something and to insist on it."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from bruk.cli.demo.cast import CALLER, Cast
from bruk.cli.demo.scene import DemoFailed, Scene
from bruk.cli.demo.screen import Screen
from bruk.model.workload import Outcome, Workload
from bruk.sdk import Client
from bruk.sdk.errors import SdkError
from bruk.wire.answers import WorkloadView

POLL_S = 0.3


@dataclass
class Story:
    """What has happened so far, and what the summary says of it."""

    scene: Scene
    cast: Cast
    screen: Screen
    summary: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def maker(self) -> Client:
        """A client with the key of the tenant that trains: what its work wrote is not the operator's."""
        return Client(self.scene.url, self.cast.maker)


def until(what: str, limit_s: float, look: Callable[[], Any]) -> Any:
    """Look until something true comes back.

    Raises:
        DemoFailed: it did not within ``limit_s`` [s].
    """
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        time.sleep(POLL_S)
    raise DemoFailed(f"{what} did not happen within {limit_s:.0f} s")


def must(condition: bool, what: str) -> None:
    if not condition:
        raise DemoFailed(what)


def log_tail(maker: Client, workload: str) -> str:
    pieces = b"".join(maker.workloads.logs(workload))
    return pieces[-2000:].decode("utf-8", "replace")


def finished(
    story: Story, workload: str, report: Callable[[dict[str, Any]], None] | None = None
) -> WorkloadView:
    maker = story.maker
    while True:
        view = maker.workloads.get(workload)
        if report is not None and view.progress:
            report(view.progress)
        if view.workload.outcome is Outcome.SUCCEEDED:
            return view
        if view.workload.outcome is not Outcome.OPEN:
            raise DemoFailed(
                f"{view.workload.name} {view.workload.outcome}: {view.workload.outcome_detail}\n"
                + log_tail(maker, workload)
            )
        if view.workload.failures:
            raise DemoFailed(
                f"{view.workload.name}: {view.workload.outcome_detail}\n" + log_tail(maker, workload)
            )
        time.sleep(POLL_S)


def watch(story: Story, job: Workload) -> None:
    story.screen.training(lambda report: finished(story, job.id, report))


def refused(story: Story, what: str, attempt: Callable[[], Any]) -> None:
    try:
        attempt()
    except SdkError as error:
        note(story, what, error.code, error.message)
    else:
        raise DemoFailed(f"{what} should have been refused")


def note(story: Story, what: str, code: str, words: str) -> None:
    story.screen.refused(what, words)
    story.summary["refusals"].append({"what": what, "code": code, "message": words})


def await_every_token(story: Story) -> None:
    """Wait until the ledger has every token that a client got.

    Raises:
        DemoFailed: it does not come to have just those.
    """
    served = story.summary["serve"]

    def all_billed() -> bool:
        entries = story.scene.operator.ledger.list(project=CALLER)
        billed = sum(entry.quantity for entry in entries if entry.resource.value.startswith("tokens_"))
        return bool(billed == served["tokens_in"] + served["tokens_out"])

    until("the bill of every token, once", 20, all_billed)
