"""Control's side of the agents' exchange: take what is observed, answer with what is wanted.

Only observations of runs assigned to that site and of a known generation count; a late or repeated
message changes nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from bruk.control import meter
from bruk.control.control import Control
from bruk.control.switch import GENERATION, model_of
from bruk.model.errors import Forbidden, IllegalTransition, InvalidInput, NotFound
from bruk.model.run import Observed, Run, RunWanted
from bruk.model.site import Node, Site
from bruk.model.switch import Acknowledgement, EnforcerKind, HoldScope
from bruk.model.tenant import Actor
from bruk.model.transitions import OBSERVED, check_transition
from bruk.model.workload import EndpointSpec, JobSpec, Outcome, Workload
from bruk.store import counters, goods, places, work
from bruk.store import switch as switch_store
from bruk.store.database import Connection
from bruk.store.work import RunRecord
from bruk.wire import codec
from bruk.wire.agent import InputOrder, Observation, RunOrder, SyncRequest, SyncResponse
from bruk.wire.requests import JSON_INTEGER_MAX, sound_json

SERVE_RECIPE = "serve"


def receive(control: Control, actor: Actor, request: SyncRequest) -> bool:
    """Take in everything an agent says; True if anything changed that others wait for.

    Raises:
        Forbidden: the token belongs to another site's agent.
    """
    if actor.site != request.site:
        raise Forbidden(f"this token belongs to the agent of {actor.site}, not of {request.site}")
    with control.database.write() as connection:
        site = places.get_site(connection, request.site)
        row = places.get_agent(connection, site.name)
        now_ms = control.clock.now_ms()
        away = row.last_sync_at_ms is None or now_ms - row.last_sync_at_ms > site.lease_ms
        changed = away
        changed |= _take_inventory(connection, site, request)
        for observation in request.observations:
            changed |= _observe(connection, site, observation, now_ms)
        known_seq = row.meter_seq if row.journal == request.journal else 0
        fresh = [record for record in request.meters if record.seq > known_seq]
        meter.take_device_time(control, connection, site, fresh)
        local_hold = _local_hold(site, request)
        changed |= local_hold != row.local_hold
        said = sound_acknowledgement(
            connection, request.acknowledgement, EnforcerKind.AGENT, site.name, now_ms
        )
        before = {
            item.id: item
            for item in switch_store.acknowledgements(connection)
            if item.enforcer is EnforcerKind.AGENT
        }.get(site.name)
        changed |= before is None or replace(before, at_ms=now_ms) != said
        switch_store.acknowledge(connection, said)
        places.replace_agent(
            connection,
            replace(
                row,
                last_sync_at_ms=now_ms,
                journal=request.journal,
                meter_seq=max([known_seq, *(record.seq for record in fresh)]),
                boot_id=request.boot_id,
                version=request.agent_version,
                local_hold=local_hold,
            ),
        )
    if changed or fresh:
        control.changes.bump()
    return changed


def _local_hold(site: Site, request: SyncRequest) -> dict[str, object] | None:
    """The site's own key as its agent reports it; whatever it says, it is over that site alone."""
    if request.local_hold is None:
        return None
    hold = replace(request.local_hold, scope=HoldScope.LOCAL, target=site.name)
    return cast(dict[str, object], codec.dump(hold))


def sound_acknowledgement(
    connection: Connection, said: Acknowledgement, kind: EnforcerKind, identifier: str, now_ms: int
) -> Acknowledgement:
    """What an enforcer said, under its own name and within what can be.

    A generation that the switch never had acknowledges nothing: after control was restored from a
    backup, an enforcer may still speak of what came later there.
    """
    current = counters.value(connection, GENERATION)
    return Acknowledgement(
        kind,
        identifier,
        said.generation if 0 <= said.generation <= current else 0,
        now_ms,
        *(_count(number) for number in (said.refused, said.drained, said.stopped, said.processes_left)),
    )


def _count(number: int) -> int:
    return min(max(0, number), JSON_INTEGER_MAX)


def _take_inventory(connection: Connection, site: Site, request: SyncRequest) -> bool:
    names = [report.name for report in request.nodes]
    if len(set(names)) != len(names):
        raise InvalidInput("two nodes of the inventory have the same name", site=site.name)
    before = places.nodes(connection, site.name)
    drained = {node.name for node in before if node.drained}
    after = [
        Node(
            site=site.name,
            name=report.name,
            pool=report.pool,
            accelerator=report.accelerator,
            devices=report.devices,
            cpu_milli=report.cpu_milli,
            memory_bytes=report.memory_bytes,
            domain=report.domain,
            health=report.health,
            drained=report.name in drained,
        )
        for report in sorted(request.nodes, key=lambda report: report.name)
    ]
    changed = before != after
    if changed:
        places.replace_nodes(connection, site.name, after)
    if site.isolation is not request.isolation:
        places.replace_site(connection, replace(site, isolation=request.isolation))
        changed = True
    return changed


def _observe(connection: Connection, site: Site, seen: Observation, now_ms: int) -> bool:
    record = work.find_run(connection, seen.run)
    if record is None or record.run.site != site.name or record.settled:
        return False
    if not 0 < seen.generation <= record.run.generation:
        return False
    run = record.run
    try:
        check_transition(OBSERVED, run.observed, seen.observed, f"run {run.id}")
    except IllegalTransition:
        return False  # A late message: what came after it is known already.
    after = _with(run, seen, now_ms)
    outputs = [item.model_dump(mode="json") for item in seen.outputs]
    progress = _sound_progress(seen.progress) or record.progress
    known = (run, record.progress, record.outputs, record.interrupted)
    if known == (after, progress, outputs, seen.interrupted):
        return False
    work.replace_run(connection, after, progress=progress, outputs=outputs, interrupted=seen.interrupted)
    return after != run or outputs != record.outputs


def _sound_progress(line: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """A progress line as it can be kept and shown; a loss that is not a number becomes null."""

    def sound(value: object) -> object:
        try:
            return sound_json(value)
        except ValueError:
            return None

    return None if line is None else {name: sound(value) for name, value in line.items()}


def _with(run: Run, seen: Observation, now_ms: int) -> Run:
    ended = seen.observed in (Observed.EXITED, Observed.LOST)
    started_at_ms = run.started_at_ms
    if started_at_ms is None and seen.started_at_ms is not None:
        started_at_ms = min(max(seen.started_at_ms, run.created_at_ms), now_ms)
    ended_at_ms = None
    if ended:
        ended_at_ms = run.ended_at_ms or min(max(seen.ended_at_ms or now_ms, run.created_at_ms), now_ms)
    exit_code = None
    if seen.observed is Observed.EXITED:
        known = seen.exit_code is not None and 0 <= seen.exit_code <= 255
        exit_code = seen.exit_code if known else 255
    resumed = seen.resumed_from_step
    if resumed is None or not 0 <= resumed <= JSON_INTEGER_MAX:
        resumed = run.resumed_from_step
    return replace(
        run,
        observed=seen.observed,
        exit_code=exit_code,
        detail=seen.detail[:2000],
        started_at_ms=started_at_ms,
        ended_at_ms=ended_at_ms,
        address=seen.address[:300],
        ready=seen.ready and seen.observed in (Observed.RUNNING, Observed.STOPPING),
        resumed_from_step=resumed,
        software=seen.software[:2000],
    )


def answer(control: Control, actor: Actor, version: int, scopes: Sequence[str] = ()) -> SyncResponse:
    """Everything wanted of the agent's site now.

    Args:
        scopes: workloads whose checkpoints the agent keeps without a run; it hears which may go.
    """
    assert actor.site is not None, "an agent belongs to a site"
    with control.read() as connection:
        site = places.get_site(connection, actor.site)
        row = places.get_agent(connection, site.name)
        holds = [
            hold
            for hold in switch_store.holds(connection)
            if hold.scope.value not in ("site", "local") or hold.target == site.name
        ]
        orders = [
            _order(connection, record) for record in work.runs(connection, site=site.name, unsettled=True)
        ]
        return SyncResponse(
            version=version,
            generation=counters.value(connection, GENERATION),
            holds=holds,
            runs=orders,
            acknowledged_seq=row.meter_seq,
            lease_ms=site.lease_ms,
            cut_off=site.cut_off,
            now_ms=control.clock.now_ms(),
            scopes_done=_done(connection, scopes, {order.scope for order in orders}),
        )


def _done(connection: Connection, scopes: Sequence[str], ordered: set[str]) -> list[str]:
    """Those that are closed or unknown, and that no run still wanted or unsettled here belongs to."""
    done = []
    for scope in scopes:
        try:
            closed = work.get_workload(connection, scope).outcome is not Outcome.OPEN
        except NotFound:
            closed = True
        if closed and scope not in ordered:
            done.append(scope)
    return done


def _order(connection: Connection, record: RunRecord) -> RunOrder:
    run = record.run
    workload = work.get_workload(connection, run.workload)
    order = RunOrder(
        run=run.id,
        workload=workload.id,
        scope=workload.id,
        project=run.project,
        generation=run.generation,
        wanted=run.wanted,
        stop_reason=run.stop_reason,
        placement=list(run.placement),
        attempt=run.attempt,
        model=model_of(workload.spec),
        metered_until_ms=run.metered_until_ms,
    )
    spec = workload.spec
    if isinstance(spec, JobSpec):
        return order.model_copy(update=_job_fields(connection, spec))
    return order.model_copy(update=_replica_fields(connection, workload, spec, record))


def _inputs(connection: Connection, wanted: dict[str, str]) -> list[InputOrder]:
    found = []
    for name, artifact_id in sorted(wanted.items()):
        artifact = goods.find_artifact(connection, artifact_id)
        if artifact is not None:
            found.append(
                InputOrder(
                    name=name,
                    digest=artifact.digest,
                    kind=artifact.kind.value,
                    size_bytes=artifact.size_bytes,
                )
            )
    return found


def _job_fields(connection: Connection, spec: JobSpec) -> dict[str, object]:
    return {
        "command": list(spec.command),
        "recipe": spec.recipe,
        "config": spec.config,
        "env": spec.env,
        "software_kind": spec.software.kind,
        "software_reference": spec.software.reference,
        "inputs": _inputs(connection, spec.inputs),
        "outputs": list(spec.outputs),
        "time_limit_s": spec.time_limit_s,
        "grace_s": spec.grace_s,
        "disk_bytes": spec.disk_bytes,
    }


def _replica_fields(
    connection: Connection, workload: Workload, spec: EndpointSpec, record: RunRecord
) -> dict[str, object]:
    model = goods.get_model(connection, spec.model)
    return {
        "recipe": SERVE_RECIPE,
        "config": {"engine": spec.serving_engine, "served_name": spec.model},
        "inputs": _inputs(connection, {"model": model.artifact}),
        "grace_s": spec.grace_s,
        "replica": True,
        "replica_key": record.replica_key,
    }


def digests_for(connection: Connection, site: str) -> set[str]:
    """Bytes that the agent of this site may fetch: inputs of its unsettled runs, nothing else."""
    found: set[str] = set()
    for record in work.runs(connection, site=site, unsettled=True):
        if record.run.wanted is RunWanted.START:
            found |= {item.digest for item in _order(connection, record).inputs}
    return found
