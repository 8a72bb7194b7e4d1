"""What something costs: the price in force at a moment, and amounts in exact integers.

Every amount of money in Bruk is computed by ``amount_microeur`` (what was used) or
``bound_microeur`` (most that can be used). Something without a price is an error, never zero. It
must never see a float. Look next at `estimate` and `reserve`.
"""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from bruk.model.errors import Conflict, InvalidInput, PriceMissing
from bruk.model.ledger import PRICED_QUANTITY, Price, Resource

ANY_ITEM = "*"


class PriceConflict(Conflict):
    """Two prices claim to be the same version, or versions and dates contradict each other."""

    code = "price_conflict"


class NegativeQuantity(InvalidInput):
    """A quantity or a price is below zero. Corrections are credits, never negative usage."""

    code = "negative_quantity"


@dataclass(frozen=True, slots=True)
class Quote:
    """A price as it applies to something: what a ledger entry records beside the quantity.

    Attributes:
        price_microeur: for ``priced_quantity`` of the unit [EUR * 1e-6].
        priced_quantity: an hour of a device in ms, or a million tokens.
    """

    resource: Resource
    item: str
    price_microeur: int
    version: int
    priced_quantity: int

    def amount_microeur(self, quantity: int) -> int:
        """What this quantity costs [EUR * 1e-6]; see ``amount_microeur``."""
        return amount_microeur(quantity, self.price_microeur, self.priced_quantity)

    def bound_microeur(self, quantity: int) -> int:
        """Most that this quantity can cost [EUR * 1e-6]; see ``bound_microeur``."""
        return bound_microeur(quantity, self.price_microeur, self.priced_quantity)


class PriceBook:
    """All prices with their versions; answers which was in force when. Immutable."""

    def __init__(self, prices: Iterable[Price] = ()) -> None:
        """Sort the prices.

        Raises:
            PriceConflict: a version of a (resource, item) occurs twice with different content, or a
                later version takes effect before an earlier one.
            NegativeQuantity: a price is below zero.
        """
        versions: dict[tuple[Resource, str], dict[int, Price]] = {}
        for price in prices:
            if price.price_microeur < 0:
                raise NegativeQuantity(
                    f"The price of {price.resource.value} of {price.item} is {price.price_microeur}"
                    " micro-euro. Give a price of zero or more; a discount is a credit.",
                    resource=price.resource.value,
                    item=price.item,
                )
            known = versions.setdefault((price.resource, price.item), {}).setdefault(price.version, price)
            if known != price:
                raise _conflict(price, "occurs twice with different content")
        self._prices = {key: _in_order(rows) for key, rows in versions.items()}
        self._dates = {key: [price.effective_from_ms for price in rows] for key, rows in self._prices.items()}

    def price(self, resource: Resource, item: str, at_ms: int) -> Price:
        """The price in force at this moment [ms], of the item or else of ``*``.

        An item's own price, once in force, goes before the fallback even when that is newer. Of two
        versions that take effect at the same moment the later version holds.

        Raises:
            PriceMissing: neither has a price in force then; the message names both.
        """
        for name in (item, ANY_ITEM):
            position = bisect_right(self._dates.get((resource, name), []), at_ms)
            if position:
                return self._prices[resource, name][position - 1]
        raise PriceMissing(
            f"There is no price for {resource.value} of {item or 'nothing'!r} in force at {_moment(at_ms)}."
            f" Have the operator set one for {item!r} or for {ANY_ITEM!r}.",
            resource=resource.value,
            item=item,
            at_ms=at_ms,
        )

    def quote(self, resource: Resource, item: str, at_ms: int) -> Quote:
        """The price in force as it applies to this item.

        Raises:
            PriceMissing: see ``price``.
        """
        price = self.price(resource, item, at_ms)
        return Quote(resource, item, price.price_microeur, price.version, PRICED_QUANTITY[resource])

    def spans(self, resource: Resource, item: str, from_ms: int, to_ms: int) -> list[tuple[int, int, Price]]:
        """A stretch of time cut where the price in force changes: (from, to, price) each [ms].

        What is used over a change of price is billed in parts, each at the price it was used under.
        An empty stretch gives an empty list.

        Raises:
            PriceMissing: no price is in force somewhere in it.
        """
        changes = {
            at_ms
            for name in (item, ANY_ITEM)
            for at_ms in self._dates.get((resource, name), [])
            if from_ms < at_ms < to_ms
        }
        found: list[tuple[int, int, Price]] = []
        for start_ms, end_ms in pairwise(sorted({from_ms, to_ms, *changes})):
            price = self.price(resource, item, start_ms)
            if found and found[-1][2] == price:
                start_ms = found.pop()[0]
            found.append((start_ms, end_ms, price))
        return found

    def prices_microeur(self, resource: Resource, at_ms: int) -> dict[str, int]:
        """Item to price in force at this moment, ``*`` included, as a snapshot carries them."""
        found = {}
        for (priced, item), dates in sorted(self._dates.items()):
            position = bisect_right(dates, at_ms)
            if priced is resource and position:
                found[item] = self._prices[priced, item][position - 1].price_microeur
        return found


def amount_microeur(quantity: int, price_microeur: int, priced_quantity: int) -> int:
    """What a quantity costs: exact, rounded once to the nearest micro-euro, half to even.

    The amount never falls when the quantity or the price rises. Rounding each of n parts instead of
    their sum moves the total by at most (n + 1) / 2 micro-euro.

    Args:
        quantity: how much was used, zero or more [unit]
        price_microeur: for ``priced_quantity`` of it, zero or more [EUR * 1e-6]
        priced_quantity: how much one price is for, above zero [unit]

    Raises:
        NegativeQuantity: the quantity or the price is below zero.
    """
    _check(quantity, price_microeur, priced_quantity)
    whole, rest = divmod(quantity * price_microeur, priced_quantity)
    twice = 2 * rest
    if twice > priced_quantity or (twice == priced_quantity and whole % 2 == 1):
        return whole + 1
    return whole


def bound_microeur(quantity: int, price_microeur: int, priced_quantity: int) -> int:
    """Most that a quantity can cost in one amount: exact, rounded up [EUR * 1e-6].

    Never less than ``amount_microeur`` of the same or of a smaller quantity.

    Raises:
        NegativeQuantity: the quantity or the price is below zero.
    """
    _check(quantity, price_microeur, priced_quantity)
    return -(-quantity * price_microeur // priced_quantity)


def _moment(at_ms: int) -> str:
    """A moment by ISO 8601 in UTC, to the second."""
    try:
        moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=at_ms)
    except OverflowError:
        return f"{at_ms} ms since 1970"
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def _check(quantity: int, price_microeur: int, priced_quantity: int) -> None:
    assert priced_quantity > 0, "a price is for something"
    if quantity < 0 or price_microeur < 0:
        raise NegativeQuantity(
            f"A quantity of {quantity} at {price_microeur} micro-euro is below zero."
            " Check where it was measured; a correction is entered as a credit.",
            quantity=quantity,
            price_microeur=price_microeur,
        )


def _in_order(rows: dict[int, Price]) -> list[Price]:
    ordered = [rows[version] for version in sorted(rows)]
    for before, after in pairwise(ordered):
        if after.effective_from_ms < before.effective_from_ms:
            raise _conflict(after, f"takes effect before version {before.version}")
    return ordered


def _conflict(price: Price, what: str) -> PriceConflict:
    return PriceConflict(
        f"Version {price.version} of the price for {price.resource.value} of {price.item} {what}."
        " Enter a new version that takes effect later.",
        resource=price.resource.value,
        item=price.item,
        version=price.version,
    )
