"""A budget is never spent twice, and never silently overspent."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
)

from bruk.admission import Budget, NegativeQuantity, ReservationConflict
from bruk.model.errors import BudgetExhausted

amounts = st.integers(0, 1000)


class Spending(RuleBasedStateMachine):
    """Requests in any interleaving, every message perhaps twice; a plain list is the truth."""

    requests = Bundle("requests")

    @initialize(slice_microeur=st.integers(0, 3000))
    def begin(self, slice_microeur):
        self.slice = slice_microeur
        self.budget = Budget("acme/lab", slice_microeur)
        self.bounds = {}
        self.actual = {}
        self.released = set()
        self.ledger = {}
        self.count = 0

    @rule(target=requests, bound=amounts)
    def reserve(self, bound):
        self.count += 1
        request = f"req_{self.count}"
        promised = sum(self.actual.values()) + sum(
            bound for id, bound in self.bounds.items() if id not in self.actual and id not in self.released
        )
        if promised + bound > self.slice:
            with pytest.raises(BudgetExhausted):
                self.budget.reserve(request, bound)
            self.released.add(request)
        else:
            self.budget.reserve(request, bound)
            self.budget.reserve(request, bound)
            self.bounds[request] = bound
        return request

    @rule(request=requests, part=st.integers(0, 100))
    def settle(self, request, part):
        if request in self.released:
            return
        amount = self.actual.get(request, self.bounds[request] * part // 100)
        done = self.budget.settle(request, amount)
        assert done.repeated is (request in self.actual)
        assert done.over_bound_microeur == 0
        self.actual[request] = amount

    @rule(request=requests)
    def release(self, request):
        self.budget.release(request)
        if request not in self.actual:
            self.released.add(request)

    @rule(part=st.integers(0, 100), twice=st.booleans())
    def reach_the_ledger(self, part, twice):
        arrived = sorted(self.actual)[: len(self.actual) * part // 100]
        self.ledger.update((request, self.actual[request]) for request in arrived)
        for _ in range(1 + twice):
            self.budget.in_ledger(sum(self.ledger.values()), list(self.ledger))

    @rule()
    def a_late_answer_of_the_ledger(self):
        before = self.budget.spent_microeur
        self.budget.in_ledger(self.budget.settled_microeur - 1, list(self.actual))
        assert self.budget.spent_microeur == before

    @invariant()
    def sums_are_exact(self):
        if not hasattr(self, "budget"):
            return
        spent = sum(self.actual.values())
        assert self.budget.spent_microeur == spent <= self.slice
        assert self.budget.overspend_microeur == 0
        running = [id for id in self.bounds if id not in self.actual and id not in self.released]
        assert self.budget.reserved_microeur == sum(self.bounds[id] for id in running)
        assert self.budget.available_microeur == self.slice - spent - self.budget.reserved_microeur >= 0


Spending.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestSpending = Spending.TestCase


@given(st.lists(st.tuples(amounts, amounts), max_size=20), st.permutations(range(20)))
def test_the_order_of_settling_does_not_matter(pairs, order):
    budget = Budget("acme/lab", None)
    for index, (bound, _) in enumerate(pairs):
        budget.reserve(str(index), bound)
    for index in order:
        if index < len(pairs):
            budget.settle(str(index), min(pairs[index]))
    assert budget.spent_microeur == sum(min(pair) for pair in pairs)
    assert budget.reserved_microeur == 0


def test_the_refusal_has_the_figures():
    budget = Budget("acme/lab", 1_000_000, settled_microeur=250_000)
    budget.reserve("a", 500_000)
    with pytest.raises(BudgetExhausted) as error:
        budget.reserve("b", 250_001)
    for figure in ("0.250001 EUR", "0.250000 EUR", "granted 1.000000 EUR", "reserved 0.500000 EUR"):
        assert figure in error.value.message
    budget.reserve("c", 250_000)
    assert budget.available_microeur == 0


def test_more_than_the_bound_is_counted_in_full_and_reported():
    budget = Budget("acme/lab", 100)
    budget.reserve("a", 60)
    done = budget.settle("a", 130)
    assert (done.over_bound_microeur, done.overspend_microeur) == (70, 30)
    assert (budget.spent_microeur, budget.available_microeur, budget.overspend_microeur) == (130, -30, 30)
    with pytest.raises(BudgetExhausted, match=r"-0\.000030 EUR"):
        budget.reserve("b", 0)


def test_use_from_a_recovered_journal_counts_without_a_reservation():
    budget = Budget("acme/lab", 100)
    assert budget.settle("from-journal", 40).amount_microeur == 40
    assert budget.settle("from-journal", 40).repeated
    assert budget.available_microeur == 60


def test_the_same_identifier_for_something_else_is_refused():
    budget = Budget("acme/lab", 100)
    budget.reserve("a", 10)
    with pytest.raises(ReservationConflict):
        budget.reserve("a", 11)
    budget.settle("a", 5)
    with pytest.raises(ReservationConflict):
        budget.reserve("a", 10)
    with pytest.raises(ReservationConflict, match=r"0\.000005 EUR.*0\.000006 EUR"):
        budget.settle("a", 6)
    assert budget.spent_microeur == 5


def test_below_zero_is_refused_and_changes_nothing():
    budget = Budget("acme/lab", 100)
    with pytest.raises(NegativeQuantity):
        budget.reserve("a", -1)
    with pytest.raises(NegativeQuantity):
        budget.settle("a", -1)
    assert budget.available_microeur == 100


def test_a_smaller_slice_stops_new_requests_and_not_the_accounting():
    budget = Budget("acme/lab", 100)
    budget.reserve("a", 80)
    budget.grant(50)
    assert budget.available_microeur == -30
    budget.settle("a", 70)
    assert budget.overspend_microeur == 20
    budget.grant(None)
    assert budget.available_microeur is None
    budget.reserve("b", 10**12)


def test_forgetting_keeps_what_the_ledger_does_not_have():
    budget = Budget("acme/lab", 100)
    budget.settle("a", 10)
    budget.settle("b", 20)
    budget.in_ledger(10, ["a"])
    budget.forget(["a", "b"])
    assert budget.settle("b", 20).repeated
    assert budget.spent_microeur == 30
