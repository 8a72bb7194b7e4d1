"""Faults: each strikes, may last, ends, and counts as fired only once something really met it."""

from collections import Counter

from bruk.twin.world.gateway import SimulatedGateway
from bruk.twin.world.line import Fate
from bruk.twin.world.scenario import ON_MESSAGES, PLACES, Fault, Kind
from bruk.twin.world.world import World


class Faults:
    """What has struck a world so far.

    Attributes:
        lasting: faults that have not ended, with the world's time of their end [ms].
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._plain: Counter[Kind] = Counter()
        self.lasting: list[Fault] = []

    def strike(self, fault: Fault) -> None:
        """Let it happen."""
        world = self._world
        site = world.sites[fault.site]
        gateway = world.gateways.get(fault.site)
        if fault.kind in ON_MESSAGES:
            # Both lines of the place get it, so that gateways meet such messages too.
            met = [*[None] * fault.amount, Fate(fault.kind.value)]
            site.line.line.fates.extend(met)
            if gateway is not None:
                gateway.line.fates.extend(met)
            return
        self.lasting.append(fault)
        if gateway is not None and fault.kind in (Kind.GATEWAY_CUT_OFF, Kind.GATEWAY_KILLED):
            self._strike_gateway(gateway, fault)
            return
        match fault.kind:
            case Kind.AGENT_CUT_OFF:
                self._plain[fault.kind] += not site.line.line.cut
                site.line.line.cut = True
            case Kind.AGENT_KILLED:
                if fault.point:
                    site.machines.kill_at = fault.point
                else:
                    site.kill()
            case Kind.ENGINE_AWAY:
                self._plain[fault.kind] += not site.machines.world.unreachable
                site.machines.world.unreachable = "the simulated engine does not answer"
            case Kind.NODE_LOST:
                node = site.machines.nodes[-1].name
                self._plain[fault.kind] += node not in site.machines.failed
                site.machines.fail(node)
            case Kind.REBOOT:
                self._plain[fault.kind] += 1
                site.kill()
                site.machines.reboot()
            case Kind.CLOCK_WRONG:
                self._plain[fault.kind] += 1
                site.clock.offset_ms = fault.amount
            case Kind.CONTROL_KILLED:
                world.cloud.database.kill_in = fault.amount
            case Kind.DISK_FULL:
                self._plain[fault.kind] += not world.cloud.database.full
                world.cloud.database.full = True
            case _:
                pass

    def _strike_gateway(self, gateway: SimulatedGateway, fault: Fault) -> None:
        if fault.kind is Kind.GATEWAY_CUT_OFF:
            self._plain[fault.kind] += not gateway.line.cut
            gateway.line.cut = True
        elif fault.point:
            gateway.kill_in_call = fault.point
        else:
            self._plain[fault.kind] += gateway.up
            gateway.kill()

    def end(self, fault: Fault) -> None:
        """It is over; processes that were killed start again."""
        self.lasting.remove(fault)
        world = self._world
        site = world.sites[fault.site]
        gateway = world.gateways.get(fault.site)
        match fault.kind:
            case Kind.AGENT_CUT_OFF:
                site.line.line.cut = False
            case Kind.ENGINE_AWAY:
                site.machines.world.unreachable = ""
            case Kind.NODE_LOST:
                site.machines.mend(site.machines.nodes[-1].name)
            case Kind.CLOCK_WRONG:
                site.clock.offset_ms = 0
            case Kind.DISK_FULL:
                world.cloud.database.full = False
            case Kind.GATEWAY_CUT_OFF if gateway is not None:
                gateway.line.cut = False
            case _:
                pass

    def end_all(self) -> None:
        """The weather clears: nothing strikes any more, and nothing lasts."""
        for fault in list(self.lasting):
            self.end(fault)
        self._world.cloud.database.kill_in = None
        for site in self._world.sites.values():
            site.machines.kill_at = ""
            site.line.line.fates.clear()
        for gateway in self._world.gateways.values():
            gateway.kill_in_call = ""
            gateway.line.fates.clear()

    def fired(self) -> Counter[Kind]:
        """How many of each kind something really met."""
        world = self._world
        found = Counter(self._plain)
        found[Kind.CONTROL_KILLED] += world.cloud.kills
        for place in PLACES:
            site = world.sites[place.name]
            # A reboot kills the agent as well, and counts as itself.
            found[Kind.AGENT_KILLED] += site.kills
            for fate, count in site.line.line.met.items():
                found[Kind(fate.value)] += count
        found[Kind.AGENT_KILLED] -= found[Kind.REBOOT]
        for gateway in world.gateways.values():
            found[Kind.GATEWAY_KILLED] += gateway.killed_in_call
            for fate, count in gateway.line.met.items():
                found[Kind(fate.value)] += count
        return +found
