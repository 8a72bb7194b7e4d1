"""Following the advice of a reason starts the item, or brings it to a strictly later filter.

The sentences themselves are followed: names and figures are read out of them.
"""

import re
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bruk.model.reason import ReasonCode
from bruk.model.site import Isolation, NodeHealth, PowerLimit
from bruk.scheduler import schedule

CODES = list(ReasonCode)


def found(pattern, advice):
    match = re.search(pattern, advice)
    assert match, f"{advice!r} does not say {pattern!r}"
    return match.groups()


def change_site(snapshot, name, change):
    return replace(
        snapshot,
        sites=tuple(change(state) if state.site.name == name else state for state in snapshot.sites),
    )


def change_account(snapshot, item, **fields):
    return replace(
        snapshot,
        accounts=tuple(
            replace(row, **fields) if row.project.id == item.project else row for row in snapshot.accounts
        ),
    )


def change_item(snapshot, item, **fields):
    return replace(snapshot, pending=(replace(item, **fields),))


def residency(lab, snapshot, item, advice):
    site, country, operator = found(r"allow site (\S+) \(country (\w+)(?:, operator (\w+))?\)", advice)
    row = next(row for row in snapshot.accounts if row.project.id == item.project)
    law = row.residency
    wider = replace(
        law,
        countries=law.countries and (*law.countries, country),
        operators=law.operators and (*law.operators, operator or ""),
        sites=law.sites and (*law.sites, site),
    )
    yield change_account(snapshot, item, residency=wider)


def site_choice(lab, snapshot, item, advice):
    (site,) = found(r"with (\S+) among its sites", advice)
    yield change_item(snapshot, item, sites=(*item.sites, site))
    assert "without naming sites" in advice
    yield change_item(snapshot, item, sites=())


def held(lab, snapshot, item, advice):
    (names,) = found(r"Have (.+) released", advice)
    yield replace(snapshot, holds=tuple(hold for hold in snapshot.holds if hold.id not in names.split(", ")))


def site_away(lab, snapshot, item, advice):
    (site,) = found(r"agent of site (\w+)", advice)
    yield change_site(snapshot, site, lambda state: replace(state, connected=True))


def network(lab, snapshot, item, advice):
    (site,) = found(r"operator of site (\w+)", advice)
    allowed = (
        tuple(found(r"allow (.+) in BRUK_EGRESS", advice)[0].split(", ")) if "BRUK_EGRESS" in advice else ()
    )

    def allow(state):
        place = replace(state.site, network=(*state.site.network, *allowed))
        apart = "BRUK_ISOLATION=sandbox" in advice
        return replace(state, site=replace(place, isolation=Isolation.SANDBOX) if apart else place)

    yield change_site(snapshot, site, allow)
    left = (
        () if "without 'network'" in advice else tuple(each for each in item.network if each not in allowed)
    )
    yield change_item(snapshot, item, network=left)


def isolation(lab, snapshot, item, advice):
    (site,) = found(r"work at (\w+) has ended", advice)
    assert f"'bruk site set {site} --accept-no-isolation SENTENCE'" in advice
    yield change_site(
        snapshot,
        site,
        lambda state: replace(state, site=replace(state.site, isolation_acceptance="so be it")),
    )
    yield replace(snapshot, runs=tuple(run for run in snapshot.runs if run.site != site))


def accelerator(lab, snapshot, item, advice):
    if advice.startswith("Add nodes"):
        (site,) = found(r"to (\w+)\.", advice)
        name = (*item.resources.accelerators, "cpu-slot")[0]
        yield change_site(
            snapshot, site, lambda state: replace(state, nodes=(lab.node(site, "new", name, 9),))
        )
        return
    (names,) = found(r"one of: ([^;]+);", advice)
    for name in names.split(", "):
        yield change_item(snapshot, item, resources=replace(item.resources, accelerators=(name,)))
    yield change_item(snapshot, item, resources=replace(item.resources, accelerators=()))


def node_health(lab, snapshot, item, advice):
    name, site = found(r"nodes with (\S+) at (\w+) repaired", advice)

    def repair(state):
        return replace(
            state,
            nodes=tuple(
                replace(node, health=NodeHealth.OK, drained=False) if node.accelerator == name else node
                for node in state.nodes
            ),
        )

    yield change_site(snapshot, site, repair)


def too_large(lab, snapshot, item, advice):
    nodes, devices, name = found(r"at most (\d+) x (\d+) devices? of ([\w-]+)", advice)
    asked = replace(item.resources, nodes=int(nodes), devices=int(devices), accelerators=(name,))
    if "each" in advice:
        cpu_milli, memory_bytes = found(r"(\d+) thousandths of a core and (\d+) bytes", advice)
        asked = replace(asked, cpu_milli=int(cpu_milli), memory_bytes=int(memory_bytes))
    yield change_item(snapshot, item, resources=asked)


def price(lab, snapshot, item, advice):
    (name,) = found(r"device time of ([\w-]+):", advice)
    yield replace(snapshot, prices_microeur={**snapshot.prices_microeur, name: 1_000_000})


def budget(lab, snapshot, item, advice):
    whole, part = found(r"so that (\d+)\.(\d{6}) EUR are left", advice)
    yield change_account(snapshot, item, budget_left_microeur=int(whole + part))
    if "time limit" in advice:
        (seconds,) = found(r"time limit to at most (\d+) s", advice)
        yield change_item(snapshot, item, time_limit_ms=int(seconds) * 1000)


def milliseconds(text):
    unit_ms = {"h": 3_600_000, "min": 60_000, "s": 1000}
    words = text.split()
    return sum(int(Decimal(words[i]) * unit_ms[words[i + 1]]) for i in range(0, len(words), 2))


def grant(lab, snapshot, item, advice):
    (use,) = found(r"so that ([\d. a-z]+) of device time are left", advice)
    tenant = item.project.split("/")[0]
    yield replace(
        snapshot,
        accounts=tuple(
            replace(row, grant_left_device_ms=milliseconds(use)) if row.tenant.name == tenant else row
            for row in snapshot.accounts
        ),
    )


def quota(lab, snapshot, item, advice):
    (devices,) = found(r"quota raised to at least (\d+)", advice)
    row = next(row for row in snapshot.accounts if row.project.id == item.project)
    yield change_account(snapshot, item, project=replace(row.project, quota_devices=int(devices)))


def backoff(lab, snapshot, item, advice):
    (seconds,) = found(r"Wait (\d+) s", advice)
    yield replace(snapshot, now_ms=snapshot.now_ms + int(seconds) * 1000)


def inputs(lab, snapshot, item, advice):
    (names,) = found(r"in place: (.+)\.", advice)
    there = names.split(", ")
    missing = tuple(name for name in item.inputs_missing if name not in there)
    yield change_item(snapshot, item, inputs_missing=missing)


def deferred(lab, snapshot, item, advice):
    assert "or submit it without a deadline" in advice
    yield change_item(snapshot, item, deadline_at_ms=None)
    if "there is room" in advice:
        (site,) = found(r"room at (\w+)", advice)
        yield replace(snapshot, runs=tuple(run for run in snapshot.runs if run.site != site))
        return
    (moment,) = found(r"Wait until (.+) UTC", advice)
    at = datetime.strptime(moment, "%Y-%m-%d %H:%M").replace(tzinfo=UTC)
    yield replace(snapshot, now_ms=int(at.timestamp()) * 1000)


def power(lab, snapshot, item, advice):
    site, limit_w = found(r"'bruk site power (\w+) (\d+)W --clear'", advice)
    yield change_site(
        snapshot,
        site,
        lambda state: replace(state, site=replace(state.site, power_limits=(PowerLimit(int(limit_w)),))),
    )
    bare = replace(snapshot, runs=tuple(run for run in snapshot.runs if run.site != site))
    need_w = item.resources.devices_total * 100 * 1.5
    if all(limit.watts >= need_w for state in bare.sites for limit in state.site.power_limits):
        yield bare


def capacity(lab, snapshot, item, advice):
    (site,) = found(r"work at (\w+) ends", advice)
    yield replace(snapshot, runs=tuple(run for run in snapshot.runs if run.site != site))


FOLLOW = {
    ReasonCode.RESIDENCY: residency,
    ReasonCode.SITE_CHOICE: site_choice,
    ReasonCode.HELD: held,
    ReasonCode.SITE_AWAY: site_away,
    ReasonCode.NETWORK: network,
    ReasonCode.ISOLATION: isolation,
    ReasonCode.ACCELERATOR: accelerator,
    ReasonCode.NODE_HEALTH: node_health,
    ReasonCode.TOO_LARGE: too_large,
    ReasonCode.PRICE: price,
    ReasonCode.BUDGET: budget,
    ReasonCode.GRANT: grant,
    ReasonCode.QUOTA: quota,
    ReasonCode.BACKOFF: backoff,
    ReasonCode.INPUTS: inputs,
    ReasonCode.POWER: power,
    ReasonCode.DEFERRED: deferred,
    ReasonCode.CAPACITY: capacity,
}


@pytest.mark.parametrize("topic", CODES)
def test_every_advice_unblocks(lab, topic):
    seen = Counter()

    @settings(max_examples=40, deadline=None, derandomize=True)
    @given(data=st.data())
    def follow(data):
        snapshot = data.draw(lab.strict_worlds(topic))
        plan = schedule(snapshot)
        after = lab.applied(snapshot, plan)
        items = {item.id: item for item in after.pending}
        for waiting in plan.waiting:
            reason = waiting.reason
            seen[reason.code] += 1
            item = items[waiting.pending]
            alone = replace(after, pending=(item,))
            for better in FOLLOW[reason.code](lab, alone, item, reason.advice):
                then = schedule(better)
                if not then.placements:
                    code = then.waiting[0].reason.code
                    assert CODES.index(code) > CODES.index(reason.code), (reason, then.waiting[0].reason)

    follow()
    assert seen[topic], f"no world was drawn in which anything waits for {topic}"


def test_without_any_site_the_advice_is_to_add_one(lab):
    (waiting,) = schedule(lab.world(sites=[], pending=[lab.pending()])).waiting
    assert waiting.reason.code is ReasonCode.SITE_AWAY
    assert waiting.reason.advice.startswith("Add a site")
