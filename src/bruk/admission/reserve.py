"""One project's budget at one place: reserve the most, settle what was, release the rest.

A gateway has a slice of each project's budget; control has the whole. Both account for it with the
same ``Budget``: what is available is the slice, less what is settled in the ledger, less what was
used but is not in the ledger yet, less what is reserved by requests that still run. One path serves
single, streamed and batched requests:

    reserve(id, bound)  ->  settle(id, actual)   or   release(id)      once each; repeating changes nothing
    in_ledger(total, ids)                              the ledger has them; until then they are unsettled

It must never let a reservation take what is not there, and never hide an overspend: use beyond its
bound is counted in full and reported. Not safe for threads by itself; its owner is one task.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from bruk.admission.euro import euros
from bruk.admission.tariff import NegativeQuantity
from bruk.model.errors import BudgetExhausted, Conflict


class ReservationConflict(Conflict):
    """The same identifier was used for something else before."""

    code = "reservation_conflict"


@dataclass(frozen=True, slots=True)
class Settlement:
    """What settling a request came to.

    Attributes:
        amount_microeur: that it cost.
        over_bound_microeur: how much more than was reserved for it; 0 unless a bound was wrong.
        overspend_microeur: how far the budget is below zero now; 0 while it is not.
        repeated: it was settled before, and nothing changed.
    """

    request: str
    amount_microeur: int
    over_bound_microeur: int
    overspend_microeur: int
    repeated: bool = False


class Budget:
    """Accounting for one project (or tenant) at one place [EUR * 1e-6]."""

    def __init__(self, owner: str, slice_microeur: int | None, settled_microeur: int = 0) -> None:
        """A budget with nothing reserved.

        Args:
            owner: project or tenant, for messages
            slice_microeur: what may be spent here over all time; None means not limited
            settled_microeur: what the ledger has of it already
        """
        self.owner = owner
        self._slice_microeur = slice_microeur
        self._settled_microeur = settled_microeur
        self._reserved: dict[str, int] = {}
        self._reserved_microeur = 0
        self._unsettled: dict[str, int] = {}
        self._unsettled_microeur = 0
        self._done: dict[str, int | None] = {}

    @property
    def slice_microeur(self) -> int | None:
        """What may be spent here over all time; None means not limited."""
        return self._slice_microeur

    @property
    def settled_microeur(self) -> int:
        """What the ledger has."""
        return self._settled_microeur

    @property
    def unsettled_microeur(self) -> int:
        """What was used and is not in the ledger yet."""
        return self._unsettled_microeur

    @property
    def reserved_microeur(self) -> int:
        """What requests that still run may use."""
        return self._reserved_microeur

    @property
    def spent_microeur(self) -> int:
        """What was used, in the ledger or not."""
        return self._settled_microeur + self._unsettled_microeur

    @property
    def available_microeur(self) -> int | None:
        """What a new request may reserve; below zero after an overspend; None means not limited."""
        if self._slice_microeur is None:
            return None
        return self._slice_microeur - self.spent_microeur - self._reserved_microeur

    @property
    def overspend_microeur(self) -> int:
        """How much more was used than the slice allows; 0 while it is not exceeded."""
        if self._slice_microeur is None:
            return 0
        return max(0, self.spent_microeur - self._slice_microeur)

    def reserve(self, request: str, bound_microeur: int) -> None:
        """Take the most that a request may cost off what is available.

        Repeating it with the same bound changes nothing.

        Raises:
            BudgetExhausted: the bound is more than is available; the message has the figures.
            ReservationConflict: the identifier was reserved with another bound or has ended.
            NegativeQuantity: the bound is below zero.
        """
        _not_negative(request, bound_microeur)
        if request in self._done or self._reserved.get(request, bound_microeur) != bound_microeur:
            raise ReservationConflict(
                f"Request {request} of {self.owner} was reserved before and has ended or had another bound."
                " Use a new identifier for each request.",
                owner=self.owner,
                request=request,
            )
        if request in self._reserved:
            return
        available_microeur = self.available_microeur
        if available_microeur is not None and bound_microeur > available_microeur:
            raise BudgetExhausted(
                f"The request may cost up to {euros(bound_microeur)} and {euros(available_microeur)} of the"
                f" budget of {self.owner} is available (granted {euros(self._slice_microeur or 0)}, used"
                f" {euros(self.spent_microeur)}, reserved {euros(self._reserved_microeur)})."
                " Ask for fewer tokens, or have the budget raised.",
                owner=self.owner,
                bound_microeur=bound_microeur,
                available_microeur=available_microeur,
                spent_microeur=self.spent_microeur,
                reserved_microeur=self._reserved_microeur,
            )
        self._reserved[request] = bound_microeur
        self._reserved_microeur += bound_microeur

    def settle(self, request: str, amount_microeur: int) -> Settlement:
        """Count what a request really cost and let go of its reservation.

        A request that was never reserved here is counted too (it comes from a journal that was
        recovered), as is one that cost more than its bound: what was used is never forgotten.

        Raises:
            ReservationConflict: it was settled before with another amount.
            NegativeQuantity: the amount is below zero.
        """
        _not_negative(request, amount_microeur)
        before = self._done.get(request)
        if before is not None:
            if before != amount_microeur:
                raise ReservationConflict(
                    f"Request {request} of {self.owner} was settled at {euros(before)} and now claims"
                    f" {euros(amount_microeur)}. A correction is entered as a credit.",
                    owner=self.owner,
                    request=request,
                )
            return Settlement(request, before, 0, self.overspend_microeur, repeated=True)
        bound_microeur = self._reserved.pop(request, 0)
        self._reserved_microeur -= bound_microeur
        self._unsettled[request] = amount_microeur
        self._unsettled_microeur += amount_microeur
        self._done[request] = amount_microeur
        over_microeur = max(0, amount_microeur - bound_microeur)
        return Settlement(request, amount_microeur, over_microeur, self.overspend_microeur)

    def release(self, request: str) -> None:
        """Let go of a reservation of which nothing was used. Repeating it changes nothing.

        Releasing a request that was settled changes nothing either: what was used stays used.
        """
        bound_microeur = self._reserved.pop(request, None)
        if bound_microeur is not None:
            self._reserved_microeur -= bound_microeur
            self._done[request] = None

    def in_ledger(self, settled_microeur: int, requests: Iterable[str]) -> None:
        """Take over the ledger's total, which now contains these requests.

        Repeating it, or hearing of an older total late, changes nothing.

        Args:
            settled_microeur: what the ledger has for this slice over all time
            requests: settled here before and contained in that total
        """
        if settled_microeur < self._settled_microeur:
            return
        self._settled_microeur = settled_microeur
        for request in requests:
            self._unsettled_microeur -= self._unsettled.pop(request, 0)

    def forget(self, requests: Iterable[str]) -> None:
        """Stop remembering requests that ended and cannot arrive again, so that memory is bounded.

        Only what is in the ledger, or was released, is forgotten.
        """
        for request in requests:
            if request not in self._unsettled:
                self._done.pop(request, None)

    def grant(self, slice_microeur: int | None) -> None:
        """Replace the slice. A smaller one may leave less than nothing available."""
        self._slice_microeur = slice_microeur


def _not_negative(request: str, amount_microeur: int) -> None:
    if amount_microeur < 0:
        raise NegativeQuantity(
            f"Request {request} claims {euros(amount_microeur)}. An amount cannot be below zero.",
            request=request,
        )
