"""Usage into the ledger: device time from agents, tokens from gateways; each thing counted once.

A run's intervals never overlap, because only what lies past ``metered_until_ms`` is taken; a
gateway's records are known by journal and sequence number. Nothing an agent says can bill more
than wall time times devices.
"""

from dataclasses import replace

from bruk.admission.tariff import PriceBook, amount_microeur
from bruk.control.control import Control
from bruk.control.decay import decayed
from bruk.facility.accelerator import accelerator
from bruk.facility.carbon import mean_day_intensity
from bruk.facility.footprint import footprint
from bruk.facility.power import EnergyReading, estimate_energy
from bruk.model.ledger import PRICED_QUANTITY, LedgerEntry, Quality, Resource
from bruk.model.run import Run
from bruk.model.site import Site
from bruk.store import money, places, records, work
from bruk.store.database import Connection
from bruk.wire.agent import MeterRecord
from bruk.wire.gateway import UsageRecord

# An agent's clock may be ahead of control's by this much before its records are cut.
CLOCK_SKEW_MS = 5_000


def take_device_time(
    control: Control, connection: Connection, site: Site, usage: list[MeterRecord]
) -> list[LedgerEntry]:
    """Book what an agent metered; records of other sites' runs are left out."""
    book = PriceBook(money.prices(connection))
    booked: list[LedgerEntry] = []
    for record in usage:
        known = {item.run.id: item.run for item in work.runs(connection, site=site.name)}
        run = known.get(record.run)
        if run is None:
            continue
        entry = _device_entry(control, book, site, run, record)
        if entry is None:
            continue
        added = records.append_ledger(connection, [entry])
        work.replace_run(connection, replace(run, metered_until_ms=entry.to_ms))
        _count_for_fair_share(connection, added)
        booked.extend(added)
    return booked


def _device_entry(
    control: Control, book: PriceBook, site: Site, run: Run, record: MeterRecord
) -> LedgerEntry | None:
    now_ms = control.clock.now_ms()
    from_ms = max(record.from_ms, run.metered_until_ms or run.created_at_ms)
    to_ms = min(record.to_ms, now_ms + CLOCK_SKEW_MS)
    if to_ms <= from_ms:
        return None
    span_ms = to_ms - from_ms
    whole_ms = record.to_ms - record.from_ms
    device_ms = min(record.device_ms * span_ms // whole_ms, span_ms * run.devices_total)
    device = accelerator(run.accelerator)
    estimate = estimate_energy(device, device_ms)
    reading = estimate
    if record.it_energy_j is not None and record.quality in (Quality.MEASURED, Quality.SHARED):
        energy_j = record.it_energy_j * span_ms // whole_ms
        reading = EnergyReading(energy_j, Quality(record.quality), record.method)
    used = footprint(reading, from_ms, to_ms, site.pue_milli, mean_day_intensity(site.grid_zone))
    price = book.price(Resource.DEVICE_TIME, run.accelerator, from_ms)
    return LedgerEntry(
        seq=0,
        key=f"run/{run.id}/{from_ms}",
        at_ms=now_ms,
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
        it_energy_j=used.it_energy_j,
        energy_j=used.energy_j,
        carbon_mg=used.carbon_mg,
        quality=used.quality,
        note=used.method,
    )


def _count_for_fair_share(connection: Connection, entries: list[LedgerEntry]) -> None:
    accounts = money.accounts(connection)
    for entry in entries:
        own = accounts[entry.project]
        rest = decayed(own.decayed_device_ms, entry.at_ms - own.decayed_at_ms)
        money.set_decayed(connection, entry.project, rest + entry.quantity, entry.at_ms)


def take_tokens(
    control: Control, connection: Connection, gateway: str, journal: str, usage: list[UsageRecord]
) -> list[LedgerEntry]:
    """Book what a gateway journalled: one entry for tokens in, one for tokens out."""
    sites = {site.name for site in places.sites(connection)}
    now_ms = control.clock.now_ms()
    entries: list[LedgerEntry] = []
    for record in usage:
        if record.site not in sites:
            continue
        for resource, tokens, price, version in (
            (Resource.TOKENS_IN, record.tokens_in, record.price_in_microeur, record.price_in_version),
            (Resource.TOKENS_OUT, record.tokens_out, record.price_out_microeur, record.price_out_version),
        ):
            entries.append(
                LedgerEntry(
                    seq=0,
                    key=f"gw/{journal}/{record.seq}/{resource.value}",
                    at_ms=now_ms,
                    from_ms=record.from_ms,
                    to_ms=max(record.from_ms, record.at_ms),
                    tenant=record.project.split("/")[0],
                    project=record.project,
                    site=record.site,
                    resource=resource,
                    item=record.model,
                    quantity=tokens,
                    price_microeur=price,
                    price_version=version,
                    amount_microeur=amount_microeur(tokens, price, PRICED_QUANTITY[resource]),
                    workload=record.endpoint,
                    run=record.run,
                    request=record.request,
                    gateway=gateway,
                    note="tokens counted from the stream" if record.estimated else "",
                )
            )
    return records.append_ledger(connection, entries)
