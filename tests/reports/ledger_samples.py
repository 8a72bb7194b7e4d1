"""Ledger entries for the tests of this folder, drawn or by hand."""

from hypothesis import strategies as st

from bruk.model.ledger import PRICED_QUANTITY, LedgerEntry, Quality, Resource

START_MS = 1_795_000_000_000


def entry(
    seq: int,
    resource: Resource = Resource.DEVICE_TIME,
    item: str = "h100-sxm",
    quantity: int = 3_600_000,
    price_microeur: int = 2_600_000,
    *,
    version: int = 1,
    tenant: str = "aurora",
    project: str = "language",
    site: str = "essonne",
    at_ms: int = START_MS,
    amount_microeur: int | None = None,
    energy_j: int = 0,
    carbon_mg: int = 0,
    quality: Quality | None = None,
    note: str = "",
) -> LedgerEntry:
    exact = round(quantity * price_microeur / PRICED_QUANTITY[resource])
    return LedgerEntry(
        seq=seq,
        key=f"key-{seq}",
        at_ms=at_ms,
        from_ms=at_ms - 1,
        to_ms=at_ms,
        tenant=tenant,
        project=project,
        site=site,
        resource=resource,
        item=item,
        quantity=quantity,
        price_microeur=price_microeur,
        price_version=version,
        amount_microeur=exact if amount_microeur is None else amount_microeur,
        it_energy_j=energy_j // 2,
        energy_j=energy_j,
        carbon_mg=carbon_mg,
        quality=quality,
        note=note,
    )


@st.composite
def ledgers(draw: st.DrawFn) -> list[LedgerEntry]:
    """Entries of two tenants at two sites, credits among them."""
    entries = []
    for seq in range(1, draw(st.integers(0, 12)) + 1):
        resource = draw(st.sampled_from(list(Resource)))
        credit = resource is Resource.CREDIT
        device = resource is Resource.DEVICE_TIME
        entries.append(
            entry(
                seq,
                resource,
                "" if credit else draw(st.sampled_from(["h100-sxm", "cpu-slot"])),
                0 if credit else draw(st.integers(0, 10**9)),
                0 if credit else draw(st.sampled_from([50_000, 2_600_000, 1])),
                version=draw(st.integers(1, 2)),
                tenant=draw(st.sampled_from(["aurora", "boreal"])),
                site=draw(st.sampled_from(["essonne", "borlange"])),
                at_ms=START_MS + draw(st.integers(0, 1000)),
                amount_microeur=-draw(st.integers(0, 10**9)) if credit else None,
                energy_j=draw(st.integers(0, 10**9)) if device else 0,
                carbon_mg=draw(st.integers(0, 10**9)) if device else 0,
                quality=draw(st.sampled_from(list(Quality))) if device else None,
                note=draw(st.text(max_size=5)) if credit else "",
            )
        )
    return entries
