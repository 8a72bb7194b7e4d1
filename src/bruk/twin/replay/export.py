"""The product's own finished jobs as a trace, in the format ``bruk`` that ``formats`` reads."""

from collections.abc import Iterable, Iterator

from bruk.model.workload import Outcome, WorkloadKind
from bruk.wire.answers import WorkloadView

Cells = tuple[int | str, ...]


def trace_rows(views: Iterable[WorkloadView]) -> Iterator[Cells]:
    """By ``formats.COLUMNS``, a row for each job that has ended and did run, in the order given.

    Its duration is the sum over its attempts. A part of a device counts as a whole one.
    """
    for view in views:
        job = view.workload
        if job.kind is not WorkloadKind.JOB or job.outcome is Outcome.OPEN:
            continue
        spans_ms = [
            run.ended_at_ms - run.started_at_ms
            for run in view.runs
            if run.started_at_ms is not None and run.ended_at_ms is not None
        ]
        if spans_ms:
            yield (
                job.created_at_ms,
                max(sum(spans_ms), 0),
                job.resources.nodes,
                job.resources.devices,
                job.project,
                job.priority,
                job.job.time_limit_s * 1000,
            )
