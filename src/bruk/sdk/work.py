"""Jobs, workloads and runs: submit, watch, read logs, wait, cancel."""

import re
import time
from collections.abc import Callable, Iterator

from bruk.model.errors import ErrorKind, InvalidInput, NotFound
from bruk.model.run import Run
from bruk.model.workload import Outcome, Workload
from bruk.sdk.errors import WAITED_TOO_LONG, SdkError
from bruk.sdk.transport import PAGE_ITEMS, Transport, segment
from bruk.wire.answers import Estimate, Why, WorkloadView
from bruk.wire.requests import JobBody

POLL_S = 0.5


class Workloads:
    """Routes below ``/jobs``, ``/workloads`` and ``/runs``.

    Args:
        sleep: for tests: what waits between two looks [s].
    """

    def __init__(self, transport: Transport, sleep: Callable[[float], None] = time.sleep) -> None:
        self._transport = transport
        self._sleep = sleep

    def submit(self, body: JobBody, *, idempotency_key: str | None = None) -> Workload:
        """A new job."""
        answer = self._transport.send("POST", "/jobs", body, idempotency_key=idempotency_key)
        return self._transport.load(Workload, answer)

    def estimate(self, body: JobBody) -> Estimate:
        """What the job would use at most, site by site."""
        return self._transport.load(Estimate, self._transport.send("POST", "/jobs/estimate", body))

    def list(
        self,
        *,
        project: str | None = None,
        kind: str | None = None,
        open: bool | None = None,
        page_items: int = PAGE_ITEMS,
    ) -> Iterator[WorkloadView]:
        """Workloads, newest first, each with its runs and what it waits for.

        Args:
            open: True: only those that have not ended.
            page_items: how many to ask for at a time.
        """
        params = {"project": project, "kind": kind, "open": open, "limit": page_items}
        return self._transport.items("/workloads", WorkloadView, params)

    def get(self, workload: str) -> WorkloadView:
        """Everything about one workload."""
        return self._transport.load(WorkloadView, self._transport.get(f"/workloads/{segment(workload)}"))

    def find(self, reference: str) -> str:
        """The identifier of the workload with this identifier, or of the newest with this name; one that
        is still open goes before any that has ended.

        Raises:
            NotFound: there is none.
            InvalidInput: several projects have an open one of this name.
        """
        if re.fullmatch(r"[a-z]+_[A-Za-z0-9_-]+", reference):
            return reference
        named = [item.workload for item in self.list() if item.workload.name == reference]
        open_ = [workload for workload in named if workload.outcome is Outcome.OPEN]
        if len({workload.project for workload in open_}) > 1:
            listed = ", ".join(f"{workload.id} of {workload.project}" for workload in open_)
            raise InvalidInput(f"Which {reference!r}? There is {listed}. Say it by its identifier.")
        if named:
            # The list is newest first, and sorting keeps that order among equals.
            return min(named, key=lambda workload: workload.outcome is not Outcome.OPEN).id
        raise NotFound(
            f"There is no job or endpoint {reference!r}. 'bruk ps --all' lists what there is.",
            workload=reference,
        )

    def cancel(self, workload: str) -> Workload:
        """Stop wanting a workload: its runs get their grace to write a checkpoint."""
        answer = self._transport.send("POST", f"/workloads/{segment(workload)}/cancel")
        return self._transport.load(Workload, answer)

    def why(self, workload: str) -> Why:
        """Why it waits, site by site, and why its runs were placed where they are."""
        return self._transport.load(Why, self._transport.get(f"/workloads/{segment(workload)}/why"))

    def runs(self, *, workload: str | None = None, site: str | None = None) -> Iterator[Run]:
        """Runs, oldest first."""
        return self._transport.items("/runs", Run, {"workload": workload, "site": site})

    def run(self, run: str) -> Run:
        """One run."""
        return self._transport.load(Run, self._transport.get(f"/runs/{segment(run)}"))

    def logs(self, workload: str, *, run: str | None = None, follow: bool = False) -> Iterator[bytes]:
        """The log of a workload's newest run (or the given one) in pieces, from its beginning.

        Args:
            follow: go on until the workload (or the given run) has ended.
        """
        offset = 0
        newest = run
        while True:
            # Asked before the log is read: what is written until it says so is read below.
            ended = not follow or self._ended(workload, run)
            if run is None:
                latest = self._newest_run(workload)
                if latest != newest:
                    newest, offset = latest, 0
            progressed = True
            while progressed:
                piece, following = self.log_piece(workload, offset, run=newest)
                progressed, offset = following > offset, max(offset, following)
                if piece:
                    yield piece
            if ended:
                return
            self._sleep(POLL_S)

    def log_piece(
        self, workload: str, offset: int, *, run: str | None = None, limit_bytes: int | None = None
    ) -> tuple[bytes, int]:
        """Bytes of the log from ``offset``, and the offset after them [bytes]."""
        answer = self._transport.request(
            "GET",
            f"/workloads/{segment(workload)}/logs",
            params={"run": run, "offset": offset, "limit": limit_bytes},
        )
        following = answer.headers.get("X-Next-Offset", "")
        return answer.content, int(following) if following.isdecimal() else offset + len(answer.content)

    def progress(self, workload: str, offset: int = 0, *, run: str | None = None) -> bytes:
        """The progress that a run (the newest if none is named) wrote, as JSON lines, from ``offset``
        [bytes]."""
        path = f"/workloads/{segment(workload)}/progress"
        return self._transport.request("GET", path, params={"run": run, "offset": offset}).content

    def wait(self, workload: str, timeout_s: float | None = None) -> Workload:
        """Wait until a workload has ended, and return it.

        Raises:
            SdkError: ``waited_too_long`` after ``timeout_s`` [s]; the workload goes on.
        """
        end = None if timeout_s is None else time.monotonic() + timeout_s
        while True:
            found = self.get(workload).workload
            if found.outcome is not Outcome.OPEN:
                return found
            if end is not None and time.monotonic() >= end:
                raise SdkError(
                    f"{workload} has not ended after {timeout_s:g} s; it goes on. See 'bruk why {workload}'.",
                    code=WAITED_TOO_LONG,
                    kind=ErrorKind.UNAVAILABLE,
                    about={"workload": workload},
                )
            self._sleep(POLL_S)

    def _ended(self, workload: str, run: str | None) -> bool:
        if run is not None:
            return self.run(run).ended
        return self.get(workload).workload.outcome is not Outcome.OPEN

    def _newest_run(self, workload: str) -> str | None:
        runs = self.get(workload).runs
        return max(runs, key=lambda run: run.attempt).id if runs else None
