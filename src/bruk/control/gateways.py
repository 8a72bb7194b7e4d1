"""Control's side of the gateways' exchange: take usage in, answer with a signed lease.

The lease is everything a gateway may rely on. It ends after ``LEASE_MS``; a gateway that has not
heard of a newer one by then refuses everything, so keys and switches never outlive their word by
more than that.
"""

from dataclasses import dataclass, replace

from bruk.admission.tariff import PriceBook
from bruk.control import limits, meter, secrets
from bruk.control.agents import sound_acknowledgement
from bruk.control.control import Control
from bruk.control.spending import left_microeur
from bruk.control.switch import GENERATION
from bruk.model.artifact import Stage
from bruk.model.errors import Forbidden, InvalidInput, PriceMissing
from bruk.model.ledger import LedgerEntry, Resource
from bruk.model.run import RunWanted
from bruk.model.site import Site
from bruk.model.switch import EnforcerKind
from bruk.model.tenant import Actor
from bruk.model.workload import Wanted, Workload, WorkloadKind
from bruk.seal import SignedDocument
from bruk.store import counters, goods, money, people, places, signing, work
from bruk.store import switch as switch_store
from bruk.store.database import Connection
from bruk.store.money import Slice
from bruk.wire.gateway import (
    LEASE_KIND,
    GatewayAnswer,
    GatewaySync,
    KeyGrant,
    Lease,
    ModelRoute,
    ProjectGrant,
    ReplicaRoute,
    TokenPrice,
)

LEASE_MS = 10_000
# What a gateway may hold of a project's budget unspent: a part of what is left, so that jobs and
# other gateways find the rest, within these bounds.
SLICE_MICROEUR = 2_000_000
SLICE_MICROEUR_MIN = 10_000
SLICE_PARTS = 4
ANYONE = "*"


@dataclass(frozen=True, slots=True)
class Received:
    """What an exchange changed: whether others wait for it."""

    changed: bool
    booked: int


def receive(control: Control, actor: Actor, request: GatewaySync) -> Received:
    """Take in usage and acknowledgement.

    Raises:
        Forbidden: the token belongs to another gateway.
        InvalidInput: the journal's id is too long to be a key of the ledger.
    """
    if actor.id != request.gateway:
        raise Forbidden(f"this token belongs to the gateway {actor.id}, not to {request.gateway}")
    if len(request.journal) > meter.TEXT_MAX:
        raise InvalidInput(f"the id of a journal has at most {meter.TEXT_MAX} characters", field="journal")
    control.skews.note(f"gateway {request.gateway}", request.now_ms, control.clock.now_ms())
    with control.database.write() as connection:
        row = places.get_gateway(connection, actor.id)
        now_ms = control.clock.now_ms()
        known_seq = row.usage_seq if row.journal == request.journal else 0
        # Usage that would leave a gap is asked for anew: this control was set back to an older state.
        gap = request.usage_after > known_seq
        fresh = [] if gap else [record for record in request.usage if record.seq > known_seq]
        booked = meter.take_tokens(control, connection, row.name, request.journal, fresh)
        _settle_slices(connection, row.name, booked)
        said = sound_acknowledgement(
            connection, request.acknowledgement, EnforcerKind.GATEWAY, row.name, now_ms
        )
        before = switch_store.acknowledged(connection, EnforcerKind.GATEWAY, row.name)
        switch_store.acknowledge(connection, said)
        places.replace_gateway(
            connection,
            replace(
                row,
                last_sync_at_ms=now_ms,
                journal=request.journal,
                usage_seq=max([known_seq, *(record.seq for record in fresh)]),
            ),
        )
    for record in fresh:
        control.uses.key(record.key, min(record.at_ms, now_ms))
    changed = before is None or before.generation != said.generation
    if changed or booked:
        control.changes.bump()
    return Received(changed, len(booked))


def _settle_slices(connection: Connection, gateway: str, booked: list[LedgerEntry]) -> None:
    if not booked:
        return
    known = {piece.project: piece for piece in money.slices(connection, gateway)}
    for entry in booked:
        piece = known.get(entry.project, Slice(gateway, entry.project, 0, 0))
        known[entry.project] = replace(piece, settled_microeur=piece.settled_microeur + entry.amount_microeur)
    for project in {entry.project for entry in booked}:
        money.set_slice(connection, known[project])


def answer(control: Control, actor: Actor, version: int) -> GatewayAnswer:
    """A fresh signed lease for the gateway."""
    with control.database.write() as connection:
        row = places.get_gateway(connection, actor.id)
        now_ms = control.clock.now_ms()
        site = places.get_site(connection, row.site)
        models = _models(control, connection, now_ms)
        lease = Lease(
            gateway=row.name,
            site=site.name,
            epoch=counters.raise_(connection, f"epoch/{row.name}"),
            issued_at_ms=now_ms,
            until_ms=now_ms + LEASE_MS,
            generation=counters.value(connection, GENERATION),
            holds=switch_store.holds(connection),
            keys=_keys(connection, now_ms),
            projects=_projects(connection, row.name, site, now_ms, models),
            models=models,
            limits=limits.parts(connection, row.name, now_ms),
            settled_through_seq=row.usage_seq,
        )
        places.replace_gateway(connection, replace(row, lease_until_ms=lease.until_ms))
        key = control.signer(connection)
        handovers = [item.handover for item in signing.signing_keys(connection) if item.handover is not None]
    sealed = SignedDocument.sign(LEASE_KIND, lease.model_dump(mode="json"), key)
    return GatewayAnswer(
        version=version, lease=sealed.document(), acknowledged_seq=row.usage_seq, handovers=handovers
    )


def _keys(connection: Connection, now_ms: int) -> list[KeyGrant]:
    """Every secret that works: of a key that was rotated, for a while the one before too."""
    found = []
    for key in people.keys(connection):
        for digest in (key.secret_hash, key.old_secret_hash):
            ends_at_ms = key.ends_at_ms(digest or "")
            if digest and not key.disabled and (ends_at_ms is None or ends_at_ms > now_ms):
                found.append(
                    KeyGrant(id=key.id, secret_hash=digest, project=key.project, expires_at_ms=ends_at_ms)
                )
    return found


def _projects(
    connection: Connection, gateway: str, here: Site, now_ms: int, models: list[ModelRoute]
) -> list[ProjectGrant]:
    projects = people.projects(connection)
    tenants = {tenant.name: tenant for tenant in people.tenants(connection)}
    left = left_microeur(connection, now_ms, list(tenants.values()), projects)
    slices = {piece.project: piece for piece in money.slices(connection, gateway)}
    sites = places.sites(connection)
    found = []
    # Projects of one tenant share its budget, so what one was granted here is gone for the next.
    granted: dict[str, int] = {}
    for project in projects:
        law = tenants[project.tenant].residency.narrowed(project.residency)
        refusal = law.refusal(here.country, here.operator, here.name)
        rest = left[project.id]
        piece = slices.get(project.id, Slice(gateway, project.id, 0, 0))
        if rest is not None:
            before = piece.granted_microeur
            callable_ = refusal is None and any(
                ANYONE in model.tenants or project.tenant in model.tenants for model in models
            )
            shared = max(0, rest - granted.get(project.tenant, 0)) if rest > 0 else rest
            piece = _topped_up(connection, piece, shared, callable_)
            grown = max(0, piece.granted_microeur - before)
            granted[project.tenant] = granted.get(project.tenant, 0) + grown
        found.append(
            ProjectGrant(
                id=project.id,
                tenant=project.tenant,
                allowed_here=refusal is None,
                refusal=refusal or "",
                sites=[
                    site.name for site in sites if law.refusal(site.country, site.operator, site.name) is None
                ],
                slice_microeur=None if rest is None else piece.granted_microeur,
                settled_microeur=piece.settled_microeur,
            )
        )
    return found


def _topped_up(connection: Connection, piece: Slice, rest_microeur: int, callable_: bool) -> Slice:
    """Grant more when the gateway's unspent part runs low and the budget has a rest; take back what
    the budget no longer has, and everything where no model can be called.

    ``rest_microeur`` already has every gateway's unspent part taken off. What is taken back may
    still be spent until the gateway has this lease, or until its lease before ended.
    """
    # While there was no budget nothing was granted, though much may have been used.
    granted_microeur = max(piece.granted_microeur, piece.settled_microeur)
    unspent = granted_microeur - piece.settled_microeur
    if not callable_:
        more = -unspent
    elif rest_microeur < 0:
        more = max(rest_microeur, -unspent)
    else:
        share = (rest_microeur + unspent) // SLICE_PARTS
        target = min(SLICE_MICROEUR, max(share, SLICE_MICROEUR_MIN))
        more = min(max(0, target - unspent), rest_microeur)
    changed = replace(piece, granted_microeur=granted_microeur + more)
    if changed == piece:
        return piece
    money.set_slice(connection, changed)
    return changed


def _models(control: Control, connection: Connection, now_ms: int) -> list[ModelRoute]:
    book = PriceBook(money.prices(connection))
    found = []
    for endpoint in work.workloads(connection, kind=WorkloadKind.ENDPOINT, open_=True):
        spec = endpoint.endpoint
        model = None if spec.attached else goods.find_model(connection, spec.model)
        served = spec.attached or (model is not None and model.stage is Stage.SERVED)
        if endpoint.wanted is not Wanted.RUN or not served:
            continue
        found.append(
            ModelRoute(
                name=endpoint.name,
                endpoint=endpoint.id,
                model=spec.model,
                upstream_model=spec.served_name or spec.model,
                owner_project=endpoint.project,
                tenants=[endpoint.tenant, *spec.tenants],
                context_tokens=spec.context_tokens,
                replicas=_attached(control, connection, endpoint)
                if spec.attached
                else _replicas(connection, endpoint),
                price_in=_price(book, Resource.TOKENS_IN, spec.model, now_ms),
                price_out=_price(book, Resource.TOKENS_OUT, spec.model, now_ms),
                created_at_ms=endpoint.created_at_ms,
            )
        )
    return found


def _replicas(connection: Connection, endpoint: Workload) -> list[ReplicaRoute]:
    return [
        ReplicaRoute(
            run=record.run.id, site=record.run.site, address=record.run.address, key=record.replica_key
        )
        for record in work.runs(connection, of_workload=endpoint.id, unsettled=True)
        if record.run.ready and record.run.address and record.run.wanted is RunWanted.START
    ]


def _attached(control: Control, connection: Connection, endpoint: Workload) -> list[ReplicaRoute]:
    """The server that already runs, as the one replica; none while its key cannot be had."""
    spec = endpoint.endpoint
    key = ""
    if spec.key_secret:
        key = secrets.value(control, connection, endpoint.project, spec.key_secret) or ""
        if not key:
            return []
    return [ReplicaRoute(run=endpoint.id, site=spec.sites[0], address=spec.url, key=key)]


def _price(book: PriceBook, resource: Resource, model: str, now_ms: int) -> TokenPrice | None:
    try:
        price = book.price(resource, model, now_ms)
    except PriceMissing:
        return None
    return TokenPrice(price_microeur=price.price_microeur, version=price.version)
