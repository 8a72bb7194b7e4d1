"""Control's side of the agents' exchange: take what is observed, answer with what is wanted.

Only observations of runs assigned to that site and of a known generation count; a late or repeated
message changes nothing.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from bruk.control import heard, meter, secrets
from bruk.control.control import Control
from bruk.control.switch import GENERATION, model_of
from bruk.model.errors import Forbidden, IllegalTransition, InvalidInput
from bruk.model.run import Observed, Run, RunWanted
from bruk.model.site import Node, Site
from bruk.model.switch import Acknowledgement, EnforcerKind
from bruk.model.tenant import Actor
from bruk.model.transitions import OBSERVED, check_transition
from bruk.model.workload import EndpointSpec, JobSpec, Workload
from bruk.store import counters, goods, places, work
from bruk.store import switch as switch_store
from bruk.store.database import Connection
from bruk.store.work import RunRecord
from bruk.wire.agent import InputOrder, Observation, RunOrder, SyncRequest, SyncResponse
from bruk.wire.fields import JSON_INTEGER_MAX

SERVE_RECIPE = "serve"


def receive(control: Control, actor: Actor, request: SyncRequest) -> bool:
    """Take in everything an agent says; True if anything changed that others wait for.

    Raises:
        Forbidden: the token belongs to another site's agent.
    """
    if actor.site != request.site:
        raise Forbidden(f"this token belongs to the agent of {actor.site}, not of {request.site}")
    request = _in_our_time(control, request)
    with control.database.write() as connection:
        site = places.get_site(connection, request.site)
        row = places.get_agent(connection, site.name)
        now_ms = control.clock.now_ms()
        away = row.last_sync_at_ms is None or now_ms - row.last_sync_at_ms > site.lease_ms
        changed = away
        changed |= _take_inventory(connection, site, request)
        changed |= _take_means(control, connection, actor, site, request)
        known = {record.run.id: record for record in work.runs(connection, site=site.name, unsettled=True)}
        for observation in request.observations:
            # One word on each run is believed; a second in the same breath would be judged by a stale state.
            record = known.pop(observation.run, None)
            if record is not None:
                changed |= _observe(control, connection, record, observation, now_ms)
        known_seq = row.meter_seq if row.journal == request.journal else 0
        # Usage that would leave a gap is asked for anew: this control was set back to an older state.
        gap = request.meters_after > known_seq
        fresh = [] if gap else [record for record in request.meters if record.seq > known_seq]
        meter.take_device_time(control, connection, site, fresh)
        local_hold = heard.local_hold(request.local_hold, site.name)
        changed |= local_hold != row.local_hold
        _note_local_key(control, connection, actor, row.local_hold, local_hold)
        said = sound_acknowledgement(
            connection, request.acknowledgement, EnforcerKind.AGENT, site.name, now_ms
        )
        before = switch_store.acknowledged(connection, EnforcerKind.AGENT, site.name)
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


def _note_local_key(
    control: Control,
    connection: Connection,
    actor: Actor,
    before: Mapping[str, object] | None,
    now: Mapping[str, object] | None,
) -> None:
    """Write down that a site's own key was turned, as its agent tells it; the site keeps by whom."""
    earlier, later = before and before["id"], now and now["id"]
    if earlier != later and before is not None:
        control.audit(connection, actor, "switch.local_on", actor.id, hold=earlier)
    if earlier != later and now is not None:
        turned = {"hold": later, "reason": now["reason"], "raised_at_ms": now["raised_at_ms"]}
        control.audit(connection, actor, "switch.local_off", actor.id, **turned)


def _in_our_time(control: Control, request: SyncRequest) -> SyncRequest:
    """What an agent says with its times as control's clock would have shown them."""
    shift_ms = control.skews.note(f"agent {request.site}", request.now_ms, control.clock.now_ms())
    if not shift_ms:
        return request

    def shifted(at_ms: int | None) -> int | None:
        return None if at_ms is None else max(0, at_ms + shift_ms)

    observations = [
        seen.model_copy(
            update={"started_at_ms": shifted(seen.started_at_ms), "ended_at_ms": shifted(seen.ended_at_ms)}
        )
        for seen in request.observations
    ]
    meters = [
        record.model_copy(update={"from_ms": shifted(record.from_ms), "to_ms": shifted(record.to_ms)})
        for record in request.meters
    ]
    return request.model_copy(update={"observations": observations, "meters": meters})


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
        *(heard.count(number) for number in (said.refused, said.drained, said.stopped, said.processes_left)),
    )


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
    return changed


def _take_means(
    control: Control, connection: Connection, actor: Actor, site: Site, request: SyncRequest
) -> bool:
    """What keeps runs apart there, as its engine says, and what jobs may reach from there. Both are
    audited, for tenants rely on them: where a site loses one, what runs goes on, and the next does not get
    in (see ``scheduler.site_rules``)."""
    after = replace(site, isolation=request.isolation, network=tuple(request.network))
    if after == site:
        return False
    places.replace_site(connection, after)
    if site.isolation is not after.isolation:
        kept = {"before": site.isolation.value, "after": after.isolation.value}
        control.audit(connection, actor, "site.isolation", site.name, **kept)
    if site.network != after.network:
        reached = {"before": " ".join(site.network), "after": " ".join(after.network)}
        control.audit(connection, actor, "site.network", site.name, **reached)
    return True


def _observe(
    control: Control, connection: Connection, record: RunRecord, seen: Observation, now_ms: int
) -> bool:
    """Take in what is seen of an unsettled run of that site; nothing of any other run is believed."""
    if not 0 < seen.generation <= record.run.generation:
        return False
    run = record.run
    try:
        check_transition(OBSERVED, run.observed, seen.observed, f"run {run.id}")
    except IllegalTransition:
        return False  # A late message: what came after it is known already.
    after = _with(run, seen, now_ms, control.doors)
    outputs = [item.model_dump(mode="json") for item in seen.outputs]
    progress = heard.sound_progress(seen.progress) or record.progress
    known = (run, record.progress, record.outputs, record.interrupted)
    if known == (after, progress, outputs, seen.interrupted):
        return False
    work.replace_run(connection, after, progress=progress, outputs=outputs, interrupted=seen.interrupted)
    return after != run or outputs != record.outputs


def _with(run: Run, seen: Observation, now_ms: int, doors: Collection[int]) -> Run:
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
        detail=heard.kept(seen.detail, heard.SAID_LENGTH_MAX),
        started_at_ms=started_at_ms,
        ended_at_ms=ended_at_ms,
        address=heard.replica_address(seen.address, doors),
        ready=seen.ready and seen.observed in (Observed.RUNNING, Observed.STOPPING),
        resumed_from_step=resumed,
        software=heard.kept(seen.software, heard.SAID_LENGTH_MAX),
    )


def answer(
    control: Control, actor: Actor, version: int, scopes: Sequence[str] = (), asked: str = "-"
) -> SyncResponse:
    """Everything wanted of the agent's site now.

    Args:
        asked: the request that this answers.
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
        orders = _orders(control, connection, site.name)
        return SyncResponse(
            asked=asked,
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
    asked = [scope for scope in scopes if scope not in ordered]
    going_on = work.open_among(connection, asked)
    return [scope for scope in asked if scope not in going_on]


def _orders(control: Control, connection: Connection, site: str) -> list[RunOrder]:
    workloads = work.under_way(connection, site)
    return [
        _order(control, connection, record, workloads[record.run.workload])
        for record in work.runs(connection, site=site, unsettled=True)
    ]


def _order(control: Control, connection: Connection, record: RunRecord, workload: Workload) -> RunOrder:
    run = record.run
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
        started=run.started_at_ms is not None,
    )
    spec = workload.spec
    if isinstance(spec, JobSpec):
        fields = _job_fields(connection, spec)
        fields["env"] = secrets.environment(control, connection, run.project, spec)
        return order.model_copy(update=fields)
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
        "software_kind": spec.software.kind,
        "software_reference": spec.software.reference,
        "inputs": _inputs(connection, _wanted_inputs(connection, spec)),
        "outputs": list(spec.outputs),
        "network": list(spec.network),
        "time_limit_s": spec.time_limit_s,
        "grace_s": spec.grace_s,
        "disk_bytes": spec.disk_bytes,
    }


def _replica_fields(
    connection: Connection, workload: Workload, spec: EndpointSpec, record: RunRecord
) -> dict[str, object]:
    return {
        "recipe": SERVE_RECIPE,
        "config": {"engine": spec.serving_engine, "served_name": spec.model},
        "inputs": _inputs(connection, _wanted_inputs(connection, spec)),
        "grace_s": spec.grace_s,
        "replica": True,
        "replica_key": record.replica_key,
    }


def digests_for(connection: Connection, site: str) -> set[str]:
    """Bytes that the agent of this site may fetch: inputs of its unsettled runs, nothing else."""
    workloads = work.under_way(connection, site)
    return {
        item.digest
        for record in work.runs(connection, site=site, unsettled=True)
        if record.run.wanted is RunWanted.START
        for item in _inputs(connection, _wanted_inputs(connection, workloads[record.run.workload].spec))
    }


def _wanted_inputs(connection: Connection, spec: JobSpec | EndpointSpec) -> dict[str, str]:
    """Artifacts that a run finds, by name."""
    if isinstance(spec, JobSpec):
        return spec.inputs
    return {"model": goods.get_model(connection, spec.model).artifact}
