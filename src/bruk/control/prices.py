"""Commands on prices: versions with effective dates, never changed."""

from bruk.control import authorise
from bruk.control.control import Control
from bruk.model.errors import InvalidInput
from bruk.model.ledger import Price, Resource
from bruk.model.tenant import Actor
from bruk.store import money
from bruk.wire.requests import PriceBody

# Versions take effect in their order, so a price by mistake in the far future would be there to stay.
AHEAD_MS_MAX = 2 * 366 * 86_400_000


def set_price(control: Control, actor: Actor, body: PriceBody) -> Price:
    """A new version of a price, effective now or later.

    Raises:
        InvalidInput: it would take effect in the past, where usage is billed already, before the
            version that it follows, or more than two years from now.
    """
    resource = Resource(body.resource)
    target = f"{body.resource}/{body.item}"
    with control.change(actor, "price.set", target, price_microeur=body.price_microeur) as change:
        authorise.operate(actor, "set prices")
        effective_ms = change.now_ms if body.effective_from_ms is None else body.effective_from_ms
        if effective_ms < change.now_ms:
            raise InvalidInput("a price takes effect now or later; for the past, write a credit")
        newest = money.newest_price(change.connection, resource, body.item)
        if newest is not None and effective_ms < newest.effective_from_ms:
            raise InvalidInput(
                f"version {newest.version} of this price takes effect at {newest.effective_from_ms} ms; a "
                "newer version cannot take effect before it",
                effective_from_ms=newest.effective_from_ms,
            )
        if effective_ms > change.now_ms + AHEAD_MS_MAX:
            raise InvalidInput("a price takes effect within two years; set later ones later")
        version = newest.version + 1 if newest else 1
        price = Price(resource, body.item, version, body.price_microeur, effective_ms, actor.id)
        money.add_price(change.connection, price)
    return price


def prices(control: Control) -> list[Price]:
    """Every version of every price; prices are no secret."""
    with control.read() as connection:
        return money.prices(connection)
