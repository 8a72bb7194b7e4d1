"""Usage into the ledger: device time from agents, tokens from gateways; each thing counted once.

A run's intervals never overlap, because only what lies past ``metered_until_ms`` is taken; a
gateway's records are known by journal and sequence number. Nothing an agent says can bill more
than wall time times devices.

Energy and carbon are reckoned in thousandths of the ledger's units; what is below one unit is
carried to the run's next entry, so that many short entries say what one long one would.
"""

import logging
from dataclasses import replace

from bruk.admission.tariff import ANY_ITEM, PriceBook, amount_microeur
from bruk.control import excess
from bruk.control.control import Control
from bruk.control.decay import decayed
from bruk.control.skew import CLOCK_SKEW_MS
from bruk.facility.accelerator import Accelerator, UnknownAccelerator, accelerator
from bruk.facility.carbon import mean_day_intensity
from bruk.facility.footprint import footprint
from bruk.facility.power import EnergyReading, estimate_energy
from bruk.model.errors import PriceMissing
from bruk.model.ledger import PRICED_QUANTITY, LedgerEntry, Price, Quality, Resource
from bruk.model.run import Run
from bruk.model.site import Site
from bruk.model.tenant import SYSTEM
from bruk.store import money, people, places, records, work
from bruk.store.database import Connection
from bruk.store.work import RunRecord
from bruk.wire.agent import MeterRecord
from bruk.wire.fields import JSON_INTEGER_MAX, PRICE_MICROEUR_MAX
from bruk.wire.gateway import UsageRecord

log = logging.getLogger(__name__)

# No device with its share of a server draws more; a meter that says so is broken.
POWER_W_MAX = 20_000
# Whose power is taken for an accelerator that the table does not know.
STAND_IN = "h100-sxm"
# No request has more; a gateway that says so is broken.
TOKENS_MAX = 10**9
# What others call a thing is cut here: an entry that is too long could never be exported again.
TEXT_MAX = 200


def take_device_time(
    control: Control, connection: Connection, site: Site, usage: list[MeterRecord]
) -> list[LedgerEntry]:
    """Book what an agent metered; records of other sites' runs are left out.

    So are those of runs that nobody knows here, as after a restore from a backup that is older than
    they are: whose they were cannot be said any more. The audit log says how much it was.
    """
    if not usage:
        return []
    book = PriceBook(money.prices(connection))
    unknown: dict[str, int] = {}
    entries: list[LedgerEntry] = []
    seen: dict[str, RunRecord | None] = {}
    metered: dict[str, RunRecord] = {}
    for record in usage:
        if record.run not in seen:
            seen[record.run] = work.find_run(connection, record.run)
        known = metered.get(record.run) or seen[record.run]
        if known is None:
            name = record.run[:TEXT_MAX]
            unknown[name] = min(unknown.get(name, 0) + record.device_ms, JSON_INTEGER_MAX)
            continue
        if known.run.site != site.name:
            continue
        carry = dict(known.carry)
        own = _device_entries(control, book, site, known.run, record, carry)
        if own:
            entries += own
            run = replace(known.run, metered_until_ms=own[-1].to_ms)
            metered[run.id] = replace(known, run=run, carry=carry)
    for known in metered.values():
        work.replace_run(connection, known.run, carry=known.carry)
    booked = records.append_ledger(connection, entries)
    _count_for_fair_share(connection, booked)
    for job in sorted({known.run.workload for known in metered.values() if known.settled}):
        excess.credit_excess(control, connection, work.get_workload(connection, job))
    if unknown:
        log.error("%s used devices for runs unknown here: %s", site.name, ", ".join(unknown))
        control.audit(connection, SYSTEM, "usage.unknown", site.name, device_ms=unknown)
    return booked


def power_of(name: str) -> tuple[Accelerator, str]:
    """What an accelerator draws, and a remark where that is a stand-in's.

    A site may have boards that the accelerator table does not know; their work is metered all the
    same, and what it says of their energy says how it came to be.
    """
    try:
        return accelerator(name), ""
    except UnknownAccelerator:
        return accelerator(STAND_IN), f"{name} is not in the accelerator table, taken as "


def _device_entries(
    control: Control, book: PriceBook, site: Site, run: Run, record: MeterRecord, carry: dict[str, int]
) -> list[LedgerEntry]:
    """The part of a record that is not booked yet, cut where the price changes."""
    until_ms = control.clock.now_ms() + CLOCK_SKEW_MS if run.ended_at_ms is None else run.ended_at_ms
    from_ms = max(record.from_ms, run.metered_until_ms or run.created_at_ms)
    to_ms = min(record.to_ms, until_ms)
    if to_ms <= from_ms:
        return []
    spans = book.spans(Resource.DEVICE_TIME, run.accelerator, from_ms, to_ms)
    return [
        _device_entry(control, site, run, record, start, end, price, carry) for start, end, price in spans
    ]


def _carried(carry: dict[str, int], name: str, thousandths: int) -> int:
    """Whole units of what was carried and what is new; the rest stays in ``carry``."""
    whole, carry[name] = divmod(carry.get(name, 0) + thousandths, 1000)
    return whole


def _reading_mj(run: Run, record: MeterRecord, device_ms: int, span_ms: int) -> EnergyReading:
    """The IT energy of a span; its ``energy_j`` is in thousandths [mJ]."""
    device, remark = power_of(run.accelerator)
    whole_ms = record.to_ms - record.from_ms
    if record.it_energy_j is not None and record.quality in (Quality.MEASURED, Quality.SHARED):
        energy_mj = record.it_energy_j * 1000 * span_ms // whole_ms
        if energy_mj <= POWER_W_MAX * span_ms * run.devices_total:
            return EnergyReading(energy_mj, Quality(record.quality), record.method[:TEXT_MAX])
        remark = f"the meter said {energy_mj // 1000} J, which cannot be; {remark}"
    # Energy is proportional to time, so a thousand times the time gives it in thousandths.
    estimate = estimate_energy(device, device_ms * 1000)
    return replace(estimate, method=remark + estimate.method)


def _device_entry(
    control: Control,
    site: Site,
    run: Run,
    record: MeterRecord,
    from_ms: int,
    to_ms: int,
    price: Price,
    carry: dict[str, int],
) -> LedgerEntry:
    span_ms, whole_ms = to_ms - from_ms, record.to_ms - record.from_ms
    device_ms = min(record.device_ms * span_ms // whole_ms, span_ms * run.devices_total)
    reading = _reading_mj(run, record, device_ms, span_ms)
    used = footprint(reading, from_ms, to_ms, site.pue_milli, mean_day_intensity(site.grid_zone))
    return LedgerEntry(
        seq=0,
        key=f"run/{run.id}/{from_ms}",
        at_ms=control.clock.now_ms(),
        from_ms=from_ms,
        to_ms=to_ms,
        tenant=run.tenant,
        project=run.project,
        site=site.name,
        resource=Resource.DEVICE_TIME,
        item=run.accelerator,
        quantity=device_ms,
        price_microeur=price.price_microeur,
        price_version=price.version,
        amount_microeur=amount_microeur(
            device_ms, price.price_microeur, PRICED_QUANTITY[Resource.DEVICE_TIME]
        ),
        workload=run.workload,
        run=run.id,
        it_energy_j=_carried(carry, "it_energy_mj", used.it_energy_j),
        energy_j=_carried(carry, "energy_mj", used.energy_j),
        carbon_mg=_carried(carry, "carbon_ug", used.carbon_mg),
        quality=used.quality,
        note=used.method,
    )


def _count_for_fair_share(connection: Connection, entries: list[LedgerEntry]) -> None:
    if not entries:
        return
    accounts = money.accounts(connection)
    for entry in entries:
        own = accounts[entry.project]
        rest = decayed(own.decayed_device_ms, entry.at_ms - own.decayed_at_ms)
        after = replace(own, decayed_device_ms=rest + entry.quantity, decayed_at_ms=entry.at_ms)
        accounts[entry.project] = after
    for project in {entry.project: None for entry in entries}:
        own = accounts[project]
        money.set_decayed(connection, project, own.decayed_device_ms, own.decayed_at_ms)


def take_tokens(
    control: Control, connection: Connection, gateway: str, journal: str, usage: list[UsageRecord]
) -> list[LedgerEntry]:
    """Book what a gateway journalled: one entry for tokens in, one for tokens out.

    Records of sites or projects that control does not know are left out, and said in the log.
    """
    if not usage:
        return []
    known_sites = {site.name for site in places.sites(connection)}
    known_projects = {project.id for project in people.projects(connection)}
    book = money.prices(connection)
    entries: list[LedgerEntry] = []
    unknown: dict[str, int] = {}
    for record in usage:
        if record.site not in known_sites or record.project not in known_projects:
            log.error("gateway %s used %s at %s, unknown here", gateway, record.project, record.site)
            name = f"{record.project} at {record.site}"[:TEXT_MAX]
            unknown[name] = min(unknown.get(name, 0) + record.tokens_in + record.tokens_out, JSON_INTEGER_MAX)
            continue
        entries.append(_token_entry(control, gateway, journal, record, Resource.TOKENS_IN, book))
        entries.append(_token_entry(control, gateway, journal, record, Resource.TOKENS_OUT, book))
    if unknown:
        control.audit(connection, SYSTEM, "usage.unknown", gateway, tokens=unknown)
    return records.append_ledger(connection, entries)


def _token_entry(
    control: Control, gateway: str, journal: str, record: UsageRecord, resource: Resource, book: list[Price]
) -> LedgerEntry:
    tokens, microeur, version = record.tokens_in, record.price_in_microeur, record.price_in_version
    if resource is Resource.TOKENS_OUT:
        tokens, microeur, version = record.tokens_out, record.price_out_microeur, record.price_out_version
    now_ms = control.clock.now_ms()
    from_ms = min(record.from_ms, now_ms + CLOCK_SKEW_MS)
    notes = ["tokens counted from the stream"] if record.estimated else []
    if not any(
        (price.resource, price.version, price.price_microeur) == (resource, version, microeur)
        and price.item in (record.model, ANY_ITEM)
        for price in book
    ):
        # The work was done and is billed; but never at a price that the operator did not set.
        notes.append(f"the gateway named {microeur} as version {version}, which was never set")
        try:
            now = PriceBook(book).price(resource, record.model, now_ms)
            microeur, version = now.price_microeur, now.version
        except PriceMissing:
            microeur, version = min(microeur, PRICE_MICROEUR_MAX), 0
    if tokens > TOKENS_MAX:
        notes.append(f"the gateway counted {tokens} tokens, which cannot be")
        tokens = TOKENS_MAX
    return LedgerEntry(
        seq=0,
        key=f"gw/{gateway}/{journal}/{record.seq}/{resource.value}",
        at_ms=now_ms,
        from_ms=from_ms,
        to_ms=max(from_ms, min(record.at_ms, now_ms + CLOCK_SKEW_MS)),
        tenant=record.project.split("/")[0],
        project=record.project,
        site=record.site,
        resource=resource,
        item=record.model[:TEXT_MAX],
        quantity=tokens,
        price_microeur=microeur,
        price_version=version,
        amount_microeur=amount_microeur(tokens, microeur, PRICED_QUANTITY[resource]),
        workload=record.endpoint[:TEXT_MAX],
        run=record.run[:TEXT_MAX],
        request=record.request[:TEXT_MAX],
        gateway=gateway,
        note="; ".join(notes),
    )
