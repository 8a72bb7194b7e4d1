"""Commands on jobs: submit, cancel; and what anybody may ask about a workload."""

from dataclasses import replace

from bruk.control import authorise, inspection
from bruk.control.control import Control
from bruk.control.costs import bounds
from bruk.control.logs import Stream
from bruk.control.spending import left_microeur
from bruk.model.errors import (
    BudgetExhausted,
    Conflict,
    InvalidInput,
    NotFound,
    ResidencyViolation,
)
from bruk.model.plan import Placement
from bruk.model.reason import Reason
from bruk.model.run import Run
from bruk.model.tenant import Actor
from bruk.model.workload import JobSpec, Outcome, Purpose, Wanted, Workload, WorkloadKind
from bruk.store import goods, people, secrets, work
from bruk.store.database import Connection
from bruk.store.work import RunRecord
from bruk.wire.answers import WorkloadView
from bruk.wire.requests import JobBody

MICRO = 1_000_000
NOT_SHOWN = "(not shown)"
# What of a run's progress is for everybody who sees the run; the other figures are the tenant's.
_HOW_FAR = ("phase", "step", "steps")


def project_of(actor: Actor, project: str | None) -> str:
    chosen = project or actor.project
    if chosen is None:
        raise InvalidInput(
            "say for which project (--project tenant/name, or BRUK_PROJECT): your login belongs to none",
            field="project",
        )
    return chosen


def may_use(connection: Connection, actor: Actor, project: str, owner: str) -> bool:
    """Whether work of ``project`` may use what ``owner``, a project of the same tenant, keeps.

    A project's key sees its own project alone.

    Raises:
        ResidencyViolation: the owner's law is narrower, so that its data could go where it may not.
    """
    if owner == project:
        return True
    if owner.split("/")[0] != project.split("/")[0] or not authorise.may_read(
        actor, owner.split("/")[0], owner
    ):
        return False
    law, other = people.get_project(connection, project).residency, people.get_project(connection, owner)
    for kind in ("countries", "operators", "sites"):
        wide, narrow = set(getattr(law, kind)), set(getattr(other.residency, kind))
        if narrow and not (wide and wide <= narrow):
            raise ResidencyViolation(
                f"{owner} keeps its data to fewer {kind} than {project}, whose work would carry it "
                "elsewhere: run this in that project, or narrow this one's residency",
                project=owner,
            )
    return True


def sound(connection: Connection, actor: Actor, project: str, spec: JobSpec, now_ms: int) -> JobSpec:
    """The specification with what is implied filled in, or an error that names what is wrong."""
    if spec.deadline_at_ms is not None and spec.deadline_at_ms <= now_ms:
        raise InvalidInput(
            "its deadline has passed already: give a later one, or none", field="spec.deadline"
        )
    if bool(spec.command) == bool(spec.recipe):
        raise InvalidInput("a job has a command or a recipe, and not both", field="spec.command")
    if spec.recipe == "finetune":
        raise InvalidInput(
            "no site of this cloud has the recipe 'finetune' yet: bring a command of your own",
            field="spec.recipe",
        )
    if spec.software.kind in ("container", "apptainer"):
        raise InvalidInput(
            "no site of this cloud starts containers yet: use the site's environment or a venv",
            field="spec.software",
        )
    _sound_secrets(connection, project, spec)
    if spec.evaluates:
        model = goods.find_model(connection, spec.evaluates)
        if model is None or not may_use(connection, actor, project, model.project):
            raise NotFound(f"there is no model {spec.evaluates!r}", what="model", id=spec.evaluates)
        spec = replace(spec, inputs={"model": model.artifact, **spec.inputs}, purpose=Purpose.EVALUATE)
        if spec.recipe == "evaluate" and "evaluation.json" not in spec.outputs:
            spec = replace(spec, outputs=(*spec.outputs, "evaluation.json"))
    if spec.model:
        taken = goods.find_model(connection, spec.model)
        if taken is not None:
            raise InvalidInput(
                f"there is a model {spec.model!r} already; choose another id", field="spec.model"
            )
        if "model" not in spec.outputs:
            spec = replace(spec, outputs=(*spec.outputs, "model"))
    for name, artifact_id in spec.inputs.items():
        found = goods.find_artifact(connection, artifact_id)
        if found is None or not may_use(connection, actor, project, found.project):
            raise NotFound(
                f"input {name!r}: there is no artifact {artifact_id!r}", what="artifact", id=artifact_id
            )
    return spec


def _sound_secrets(connection: Connection, project: str, spec: JobSpec) -> None:
    if twice := sorted(set(spec.secrets) & set(spec.env)):
        raise InvalidInput(f"{twice[0]} is both a secret and in env; leave it out of env", field="spec.env")
    known = {item.name for item in secrets.secrets(connection, project)} if spec.secrets else set()
    if unknown := [name for name in spec.secrets if name not in known]:
        name = unknown[0]
        raise NotFound(
            f"{project} has no secret {name!r}; 'bruk secret set {name} --project {project}' sets it",
            what="secret",
            id=name,
        )


def submit(control: Control, actor: Actor, body: JobBody) -> Workload:
    """A new job. Whether it can run now is for the scheduler to say; it waits with a reason.

    Raises:
        InvalidInput: the specification contradicts itself.
        NotFound: an input, or the model it is about, is not there.
        BudgetExhausted: what is left of the budget does not cover the job's time limit.
    """
    project = project_of(actor, body.project)
    with control.change(actor, "job.submit", body.name, project=project) as change:
        authorise.work(actor, project, "submit jobs")
        people.get_project(change.connection, project)
        spec = sound(change.connection, actor, project, body.spec.value(), change.now_ms)
        bound = bounds(change.connection, project, spec, change.now_ms)
        tenants, projects = people.tenants(change.connection), people.projects(change.connection)
        money_left = left_microeur(change.connection, change.now_ms, tenants, projects)[project]
        if money_left is not None and bound.amount_microeur_max > money_left:
            raise BudgetExhausted(
                f"this job may cost up to {bound.amount_microeur_max / MICRO:.6f} EUR and {project} has "
                f"{max(0, money_left) / MICRO:.6f} EUR left: lower its time limit or raise the budget",
                project=project,
                needed_microeur=bound.amount_microeur_max,
                left_microeur=money_left,
            )
        workload = Workload(
            control.clock.new_id("job"),
            body.name,
            project,
            WorkloadKind.JOB,
            spec,
            change.now_ms,
            actor.id,
            body.priority,
        )
        work.add_workload(change.connection, workload)
        change.target = workload.id
        change.detail["name"] = body.name
    return workload


def get(control: Control, actor: Actor, workload_id: str) -> Workload:
    """The workload of this id, if the caller may see it: an operator of one site, if it has a run there."""
    with control.read() as connection:
        workload = work.get_workload(connection, workload_id)
        site = authorise.site_of(actor)
        if site is not None and work.runs(connection, site=site, of_workload=workload_id):
            return _as_shown_to(actor, workload)
    authorise.read(actor, workload.tenant, workload.project, "workload", workload_id)
    return _as_shown_to(actor, workload)


def _as_shown_to(actor: Actor, workload: Workload) -> Workload:
    """The values of a job's environment are its tenant's own: others see their names alone."""
    spec = workload.spec
    if not isinstance(spec, JobSpec) or not spec.env or inspection.belongs(actor, workload.project):
        return workload
    return replace(workload, spec=replace(spec, env=dict.fromkeys(spec.env, NOT_SHOWN)))


def cancel(control: Control, actor: Actor, workload_id: str) -> Workload:
    """Stop wanting a workload: its runs get their grace and end. Repeating it changes nothing.

    Raises:
        Conflict: it has ended already.
    """
    workload = get(control, actor, workload_id)
    with control.change(actor, "workload.cancel", workload_id) as change:
        authorise.work(actor, workload.project, "cancel work")
        workload = work.get_workload(change.connection, workload_id)
        if workload.outcome not in (Outcome.OPEN, Outcome.CANCELLED):
            raise Conflict(f"{workload_id} has {workload.outcome} already", id=workload_id)
        workload = replace(workload, wanted=Wanted.STOP)
        work.replace_workload(change.connection, workload)
    return _as_shown_to(actor, workload)


def view(control: Control, actor: Actor, workload_id: str) -> WorkloadView:
    """Everything about one workload."""
    workload = get(control, actor, workload_id)
    with control.read() as connection:
        records = work.runs(connection, of_workload=workload_id, site=authorise.site_of(actor))
        reason = work.waiting_for(connection).get(workload_id)
    seen = [_as_seen_by(actor, record.run) for record in records]
    progress = next((record.progress for record in reversed(records) if record.progress), None)
    if progress is not None and not inspection.belongs(actor, workload.project):
        progress = {name: progress[name] for name in _HOW_FAR if name in progress}
    return WorkloadView(workload, tuple(seen), reason, progress)


def _as_seen_by(actor: Actor, run: Run) -> Run:
    """Tenants do not learn whose work took a run's place, unless it is their own."""
    return run if actor.tenant in (None, run.stopped_for) else replace(run, stopped_for="")


def records(control: Control, actor: Actor, workload_id: str) -> list[RunRecord]:
    """A workload's runs with what control keeps beside them."""
    get(control, actor, workload_id)
    with control.read() as connection:
        return work.runs(connection, of_workload=workload_id, site=authorise.site_of(actor))


def placements(control: Control, actor: Actor, workload_id: str) -> dict[str, Placement]:
    """Why a workload's runs were placed where they are, by run id, oldest first.

    Tenants see the nodes where their own runs are; of the other places that would have done, the site and
    the score, and no node.
    """
    known = [record.run for record in records(control, actor, workload_id)]
    with control.read() as connection:
        reasons = work.why(connection, workload_id)
    sees_all = authorise.reads_platform(actor) or authorise.site_of(actor) is not None
    return {
        run.id: reasons[run.id] if sees_all else _without_other_nodes(run, reasons[run.id])
        for run in known
        if run.id in reasons
    }


def _without_other_nodes(run: Run, why: Placement) -> Placement:
    own = {part.node for part in run.placement}
    leading = tuple(
        place if own.issuperset(place.nodes) else replace(place, nodes=()) for place in why.leading
    )
    return replace(why, leading=leading)


def listing(
    control: Control,
    actor: Actor,
    *,
    project: str | None = None,
    kind: WorkloadKind | None = None,
    open_: bool | None = None,
    after: str = "",
    limit: int = 100,
) -> list[Workload]:
    """The newest workloads that the caller may see; ``after`` is the last one of the page before."""
    tenant = actor.tenant
    if tenant is None:
        authorise.oversee(actor, "list everybody's work")
    if after:
        get(control, actor, after)
    site = authorise.site_of(actor)
    with control.read() as connection:
        found = work.workloads(
            connection,
            kind=kind,
            open_=open_,
            tenant=tenant,
            project=actor.project or project,
            after=after,
            limit=limit if site is None else None,
        )
        if site is not None:
            here = {record.run.workload for record in work.runs(connection, site=site)}
            found = [workload for workload in found if workload.id in here][:limit]
    return [_as_shown_to(actor, workload) for workload in found]


def waiting(control: Control) -> dict[str, Reason]:
    """Workload id to why it waits; callers show only what their caller may see."""
    with control.read() as connection:
        return work.waiting_for(connection)


def output_of(
    control: Control, actor: Actor, workload_id: str, run: str | None, stream: Stream, offset: int, limit: int
) -> tuple[bytes, int, str]:
    """A piece of a run's log or progress (the newest run's if none is named), the next offset
    [bytes], and the run."""
    shown = view(control, actor, workload_id)
    ids = [item.id for item in shown.runs]
    if run is not None and run not in ids:
        raise NotFound(f"{workload_id} has no run {run!r}", what="run", id=run)
    if not ids:
        return b"", 0, ""
    chosen = run or ids[-1]
    at = next(item.site for item in shown.runs if item.id == chosen)
    inspection.look(control, actor, shown.workload.project, f"{chosen}/{stream.value}", at)
    data, following = control.logs.read(chosen, stream, offset, limit)
    return data, following, chosen
