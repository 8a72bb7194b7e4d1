"""What each project may still spend at this gateway: one `admission.Budget` a project, fed from the lease.

The slice and what the ledger already has of it come with the lease, together with the newest number of
this gateway's journal that the ledger covers; what stands behind it is taken off here, so that a
hand-over neither counts twice nor is forgotten. Look next at `admission.reserve` for the accounting, at
`admit`, which reserves.
"""

from __future__ import annotations

from bruk.admission import Budget, Quote, euros, request_amount_microeur
from bruk.gateway.problem import Refusal
from bruk.gateway.usage import Used
from bruk.model.errors import BudgetExhausted
from bruk.model.ledger import PRICED_QUANTITY, Resource
from bruk.wire.gateway import ProjectGrant


def amount_of(record: Used) -> int:
    """What a record costs at its own prices, as the ledger will count it [EUR * 1e-6]."""
    price_in = quote(Resource.TOKENS_IN, record.model, record.price_in_microeur, record.price_in_version)
    price_out = quote(Resource.TOKENS_OUT, record.model, record.price_out_microeur, record.price_out_version)
    return request_amount_microeur(price_in, price_out, record.tokens_in, record.tokens_out)


def quote(resource: Resource, model: str, price_microeur: int, version: int) -> Quote:
    """A price of the lease as admission counts with it."""
    return Quote(resource, model, price_microeur, version, PRICED_QUANTITY[resource])


class Reservation:
    """Money held back for one request, until it is settled or let go."""

    def __init__(self, budget: Budget, request: str, bound_microeur: int) -> None:
        self._budget = budget
        self._request = request
        self._bound_microeur = bound_microeur
        self._extensions: list[str] = []
        budget.reserve(request, bound_microeur)

    def covers(self, amount_microeur: int) -> bool:
        """Whether so much may be spent [EUR * 1e-6]: within the reservation, or else by enlarging it.

        False too when the slice was cut meanwhile below what would then have been used.
        """
        budget = self._budget
        if (
            budget.slice_microeur is not None
            and budget.spent_microeur + amount_microeur > budget.slice_microeur
        ):
            return False
        missing = amount_microeur - self._bound_microeur
        if missing <= 0:
            return True
        extension = f"{self._request}+{len(self._extensions) + 1}"
        try:
            budget.reserve(extension, missing)
        except BudgetExhausted:
            return False
        self._extensions.append(extension)
        self._bound_microeur += missing
        return True

    def release(self) -> None:
        """Let go of what is still held back; what was settled stays so."""
        names = [self._request, *self._extensions]
        for name in names:
            self._budget.release(name)
        # What was settled is kept by the budget until the ledger has it.
        self._budget.forget(names)


class Accounts:
    """The budgets of all projects at this gateway."""

    def __init__(self) -> None:
        self._budgets: dict[str, Budget] = {}
        self._journalled: dict[int, tuple[str, str]] = {}

    def budget(self, project: str) -> Budget:
        """The budget of a project. One that no lease has named yet has nothing to spend."""
        return self._budgets.setdefault(project, Budget(project, 0))

    def renew(self, projects: list[ProjectGrant], settled_through_seq: int) -> None:
        """Take over slices and settled amounts from a new lease; both are of one moment of the ledger."""
        arrived: dict[str, list[str]] = {}
        for seq in [seq for seq in self._journalled if seq <= settled_through_seq]:
            project, request = self._journalled.pop(seq)
            arrived.setdefault(project, []).append(request)
        for grant in projects:
            budget = self.budget(grant.id)
            budget.grant(grant.slice_microeur)
            requests = arrived.get(grant.id, [])
            budget.in_ledger(grant.settled_microeur, requests)
            budget.forget(requests)

    def reserve(self, project: str, request: str, bound_microeur: int) -> Reservation:
        """Hold back the most that a request can cost.

        Raises:
            Refusal: less than that is left.
        """
        budget = self.budget(project)
        try:
            return Reservation(budget, request, bound_microeur)
        except BudgetExhausted:
            left_microeur = max(0, budget.available_microeur or 0)
            raise Refusal(
                "insufficient_budget",
                f"This request can cost up to {euros(bound_microeur)}, and {euros(left_microeur)} of the"
                f" project's budget is left here (used {euros(budget.spent_microeur)}, reserved by requests"
                f" in flight {euros(budget.reserved_microeur)}). Ask for fewer tokens with max_tokens, or"
                " have the budget raised.",
                needed_microeur=bound_microeur,
                left_microeur=left_microeur,
                spent_microeur=budget.spent_microeur,
                reserved_microeur=budget.reserved_microeur,
            ) from None

    def settle(self, record: Used, seq: int) -> None:
        """Exchange a reservation for what was really used, once that is in the journal under this number."""
        self.budget(record.project).settle(record.request, amount_of(record))
        self._journalled[seq] = (record.project, record.request)
