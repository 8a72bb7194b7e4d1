"""What a job would use at most, and what it would wait for, asked before it is submitted.

The scheduler itself answers the second, as if nothing else waited. Nothing is written here.
"""

from dataclasses import replace

from bruk.control import authorise, snapshot
from bruk.control.control import Control
from bruk.control.costs import bounds
from bruk.control.jobs import project_of, sound
from bruk.model.reason import Reason
from bruk.model.tenant import Actor
from bruk.model.workload import JobSpec, Workload, WorkloadKind
from bruk.scheduler import schedule
from bruk.store.database import Connection
from bruk.wire.answers import Estimate
from bruk.wire.requests import JobBody


def estimate(control: Control, actor: Actor, body: JobBody) -> Estimate:
    """What the job would use at most, site by site, and what it would wait for if it was submitted now.

    Raises:
        InvalidInput: the specification contradicts itself.
        PriceMissing: nothing that would do has a price.
    """
    project = project_of(actor, body.project)
    authorise.work(actor, project, "estimate jobs")
    now_ms = control.clock.now_ms()
    with control.read() as connection:
        spec = sound(connection, actor, project, body.spec.value(), now_ms)
        found = bounds(connection, project, spec, now_ms)
        return replace(found, waiting_for=_waiting_for(connection, project, body, spec, now_ms))


def _waiting_for(
    connection: Connection, project: str, body: JobBody, spec: JobSpec, now_ms: int
) -> Reason | None:
    job = Workload("job", body.name, project, WorkloadKind.JOB, spec, now_ms, "", body.priority)
    plan = schedule(snapshot.take_with(connection, job, now_ms))
    return plan.waiting[0].reason if plan.waiting else None
