"""What people do in a world: submit, cancel, turn the switch, change laws and prices; and undo it.

Whoever gets no answer asks again later, as clients do. An answer that says *no* is an answer. Must never
touch anything but control's commands and a site's own key.
"""

from bruk.agent.local_hold import raise_local_hold, release_local_hold
from bruk.control import endpoints, jobs, models, prices, sites, switch, tenancy
from bruk.control.control import Control
from bruk.model.artifact import Stage
from bruk.model.errors import BrukError, ErrorKind
from bruk.model.switch import HoldScope
from bruk.store import goods, work
from bruk.twin.world.scenario import ACCELERATOR, MODEL, OWNER, TENANTS, Act, Deed, Work
from bruk.twin.world.world import World
from bruk.wire.requests import (
    BudgetBody,
    EndpointBody,
    JobBody,
    JobSpecBody,
    PriceBody,
    ResidencyBody,
    ResourcesBody,
    TenantChange,
)

MODEL_CONTENT = "weights"
EVALUATION = '{"bits_per_byte": 1.5, "gzip_bits_per_byte": 2.0}'
# What an operator or a tenant may be told; anything else is a defect.
_ANSWERS = (
    ErrorKind.CONFLICT,
    ErrorKind.NOT_FOUND,
    ErrorKind.EXHAUSTED,
    ErrorKind.UNAVAILABLE,
    ErrorKind.INVALID,
)


def submit(world: World, item: Work) -> None:
    """Submit a job, unless an attempt without an answer did it already.

    Raises:
        ControlDown: control is away.
        BrukError: it is refused.
    """

    def act(control: Control) -> str:
        if item.number in world.tried:
            with control.read() as connection:
                for known in work.workloads(connection):
                    if known.name == f"work-{item.number}":
                        return known.id
        world.tried.add(item.number)
        env = {"WORK": str(item.number)}
        outputs, model = [], ""
        if item.purpose == "make":
            outputs, model = ["model"], MODEL
            env |= {"OUTPUTS": "model", "CONTENT": MODEL_CONTENT}
        spec = JobSpecBody(
            command=["train"],
            env=env,
            outputs=outputs,
            model=model,
            resources=ResourcesBody(nodes=item.nodes, devices=item.devices, accelerators=[ACCELERATOR]),
            time_limit_s=item.time_limit_s,
            retry_limit=item.retry_limit,
            preemptible=item.preemptible,
        )
        body = JobBody(project=item.project, name=f"work-{item.number}", priority=item.priority, spec=spec)
        return jobs.submit(control, world.operator, body).id

    world.workload_of[item.number] = world.cloud.ask(act)


def do(world: World, act: Act) -> None:
    """Do it.

    Raises:
        ControlDown: control is away.
        BrukError: the answer is no.
    """
    operator, target = world.operator, act.target
    match act.deed:
        case Deed.OFF:
            scope, _, name = target.partition("/")
            world.cloud.ask(lambda control: switch.off(control, operator, HoldScope(scope), name, "storm"))
        case Deed.LOCAL_OFF:
            site = world.sites[target]
            raise_local_hold(site.home, "operator", "storm", site.clock)
        case Deed.DRAIN:
            world.cloud.ask(lambda control: sites.drain(control, operator, target, f"{target}-0", True))
        case Deed.NARROW:
            _law(world, target, ["SE"])
        case Deed.BUDGET:
            _budget(world, target, 2_000_000)
        case Deed.CANCEL:
            workload = world.workload_of.get(act.number)
            if workload is not None:
                world.cloud.ask(lambda control: jobs.cancel(control, operator, workload))
        case Deed.SCALE:
            world.cloud.ask(lambda control: endpoints.scale(control, operator, target, act.number))
        case Deed.PRICE:
            price = PriceBody(resource="device_time", item="*", price_microeur=act.number)
            world.cloud.ask(lambda control: prices.set_price(control, operator, price))
        case Deed.MODEL:
            world.cloud.ask(lambda control: _bring_on(world, control))


def undo(world: World, act: Act) -> None:
    """Undo it.

    Raises:
        ControlDown: control is away.
        BrukError: the answer is no.
    """
    operator, target = world.operator, act.target
    match act.deed:
        case Deed.OFF:
            scope, _, name = target.partition("/")
            world.cloud.ask(lambda control: switch.on(control, operator, HoldScope(scope), name))
        case Deed.LOCAL_OFF:
            site = world.sites[target]
            release_local_hold(site.home, "operator", "storm", site.clock)
        case Deed.DRAIN:
            world.cloud.ask(lambda control: sites.drain(control, operator, target, f"{target}-0", False))
        case Deed.NARROW:
            _law(world, target, list(TENANTS[target]))
        case Deed.BUDGET:
            _budget(world, target, None)
        case _:
            pass


def is_answer(error: BrukError) -> bool:
    """Whether people may be told this."""
    return error.kind in _ANSWERS


def _law(world: World, tenant: str, countries: list[str]) -> None:
    body = TenantChange(residency=ResidencyBody(countries=countries))
    world.cloud.ask(lambda control: tenancy.change_tenant(control, world.operator, tenant, body))


def _budget(world: World, project: str, microeur: int | None) -> None:
    body = BudgetBody(budget_microeur=microeur)
    world.cloud.ask(lambda control: tenancy.set_project_budget(control, world.operator, project, body))


def _bring_on(world: World, control: Control) -> None:
    """The next step in the life of the scenario's model: evaluate it, then serve it."""
    with control.read() as connection:
        model = goods.find_model(connection, MODEL)
        open_names = {item.name for item in work.workloads(connection, open_=True)}
    if model is None or "evaluate" in open_names or MODEL in open_names:
        return
    if model.stage is Stage.DRAFT:
        env = {"WORK": "0", "OUTPUTS": models.EVALUATION_NAME, "CONTENT": EVALUATION}
        spec = JobSpecBody(recipe="evaluate", evaluates=MODEL, env=env, retry_limit=9)
        jobs.submit(control, world.operator, JobBody(project=OWNER, name="evaluate", spec=spec))
    else:
        body = EndpointBody(project=OWNER, name=MODEL, model=MODEL, replicas=2, tenants=["*"])
        endpoints.create(control, world.operator, body)
