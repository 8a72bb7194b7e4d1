"""Off means off: what each enforcer has acknowledged of a hold, it keeps to while the hold stands.

An agent that acknowledged it has nothing of it running; a gateway answers no call under it, nor any at all
once its lease is over; control places nothing under it. The truth is what the machines did and what clients
got.
"""

from collections.abc import Iterator

from bruk.agent.local_hold import HOLD_FILE, local_answer, local_key
from bruk.control.switch import LEASE_SLACK_MS, model_of
from bruk.model.switch import EnforcerKind, Hold
from bruk.store import switch, work
from bruk.store.database import Connection
from bruk.twin.world.gateway import Call, SimulatedGateway
from bruk.twin.world.scenario import MODEL
from bruk.twin.world.site import SimulatedSite
from bruk.twin.world.world import World


class Off:
    """Looks at the switch of a world after every event."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._holds: list[Hold] = []
        self._acknowledged: dict[str, int] = {}
        self._about: dict[str, tuple[str, str]] = {}
        self._calls: dict[str, int] = dict.fromkeys(world.gateways, 0)

    def read(self, connection: Connection) -> None:
        """Take note of what stands and who acknowledged it."""
        self._holds = switch.holds(connection)
        said = switch.acknowledgements(connection)
        self._acknowledged = {
            item.id: item.generation for item in said if item.enforcer is EnforcerKind.AGENT
        }

    def now(self) -> Iterator[str]:
        """What is wrong at this moment."""
        for site in self._world.sites.values():
            yield from self._living(site)
        for place, gateway in self._world.gateways.items():
            fresh = gateway.calls[self._calls[place] :]
            self._calls[place] = len(gateway.calls)
            for call in fresh:
                yield from self._call(gateway, call)

    def _living(self, site: SimulatedSite) -> Iterator[str]:
        known = self._acknowledged.get(site.name, 0)
        holds = [hold for hold in self._holds if hold.generation <= known]
        holds += _carried_out_by_hand(site)
        if not holds:
            return
        now_ms = self._world.clock.now_ms()
        for lived in site.machines.living():
            tenant, model = self._whose(lived.workload)
            for hold in holds:
                if lived.lives_at(now_ms) and hold.covers(site.name, tenant, model):
                    yield f"{site.name} acknowledged {hold.scope} {hold.target}, and {lived.run} lives"

    def _call(self, gateway: SimulatedGateway, call: Call) -> Iterator[str]:
        tenant = call.project.split("/")[0]
        for hold in self._holds:
            here = hold.covers(gateway.site, tenant, MODEL) or hold.covers(call.site, tenant, MODEL)
            if here and hold.generation <= call.generation:
                yield f"{gateway.name} acknowledged {hold.scope} {hold.target} and answered {call.request}"
        if call.leased_until_ms + LEASE_SLACK_MS < self._world.clock.now_ms():
            yield f"{gateway.name} answered {call.request}, and its lease was over"

    def _whose(self, workload: str) -> tuple[str, str]:
        """The tenant of a workload, and the model that it is about."""
        if workload not in self._about:
            with self._world.cloud.database.read() as connection:
                found = work.get_workload(connection, workload)
            self._about[workload] = (found.tenant, model_of(found.spec))
        return self._about[workload]


def _carried_out_by_hand(site: SimulatedSite) -> list[Hold]:
    """The hold of the site's own key, if it stands and its agent has said that nothing is left."""
    if not (site.home / HOLD_FILE).exists():
        return []
    hold, generation = local_key(site.home)
    answer = local_answer(site.home)
    if hold is None or answer is None or answer.generation < generation or answer.processes_left:
        return []
    return [hold]


def placed_under_holds(connection: Connection) -> Iterator[str]:
    """Runs that control placed while a hold stood over them."""
    holds = switch.holds(connection, standing=False)
    models = {item.id: model_of(item.spec) for item in work.workloads(connection)}
    for record in work.runs(connection):
        run = record.run
        for hold in holds:
            # At the very moment of a turn of the switch either may have come first.
            over = hold.released_at_ms is not None and hold.released_at_ms <= run.created_at_ms
            stood = hold.raised_at_ms < run.created_at_ms and not over
            if stood and hold.covers(run.site, run.tenant, models[run.workload]):
                yield f"{run.id} was placed under {hold.scope} {hold.target}"
