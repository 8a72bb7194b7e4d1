"""Every legal transition, as one table per kind of state.

The diagrams in the documentation are made from these tables. A transition that is not listed
raises; staying in the same state is always legal and changes nothing.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar

from bruk.model.artifact import Stage
from bruk.model.errors import IllegalTransition
from bruk.model.run import Observed, RunWanted
from bruk.model.workload import Outcome, Wanted

State = TypeVar("State", bound=StrEnum)
Table = Mapping[State, frozenset[State]]

OBSERVED: Table[Observed] = {
    Observed.ASSIGNED: frozenset(
        {Observed.STARTING, Observed.RUNNING, Observed.STOPPING, Observed.EXITED, Observed.LOST}
    ),
    Observed.STARTING: frozenset({Observed.RUNNING, Observed.STOPPING, Observed.EXITED, Observed.LOST}),
    Observed.RUNNING: frozenset({Observed.STOPPING, Observed.EXITED, Observed.LOST}),
    Observed.STOPPING: frozenset({Observed.EXITED, Observed.LOST}),
    # An agent that comes back may find what was thought lost, running or ended.
    Observed.LOST: frozenset({Observed.RUNNING, Observed.STOPPING, Observed.EXITED}),
    Observed.EXITED: frozenset(),
}

RUN_WANTED: Table[RunWanted] = {
    RunWanted.START: frozenset({RunWanted.STOP}),
    RunWanted.STOP: frozenset(),
}

WORKLOAD_WANTED: Table[Wanted] = {
    Wanted.RUN: frozenset({Wanted.STOP}),
    Wanted.STOP: frozenset(),
}

OUTCOME: Table[Outcome] = {
    Outcome.OPEN: frozenset({Outcome.SUCCEEDED, Outcome.FAILED, Outcome.CANCELLED}),
    Outcome.SUCCEEDED: frozenset(),
    Outcome.FAILED: frozenset(),
    Outcome.CANCELLED: frozenset(),
}

MODEL_STAGE: Table[Stage] = {
    Stage.DRAFT: frozenset({Stage.VALIDATED, Stage.RETIRED}),
    Stage.VALIDATED: frozenset({Stage.SERVED, Stage.DRAFT, Stage.RETIRED}),
    Stage.SERVED: frozenset({Stage.VALIDATED, Stage.RETIRED}),
    Stage.RETIRED: frozenset(),
}


def check_transition(table: Table[State], before: State, after: State, what: str) -> State:
    """Return ``after`` if it may follow ``before``.

    Raises:
        IllegalTransition: the table does not list it.
    """
    if after is not before and after not in table[before]:
        raise IllegalTransition(
            f"{what} cannot go from {before.value} to {after.value}", what=what, before=before, after=after
        )
    return after
