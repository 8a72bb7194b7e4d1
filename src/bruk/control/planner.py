"""The scheduler's living state: told what is the case before each plan, made anew now and then.

A state that has followed the snapshots decides what one does that was just loaded. Every
``COLD_EVERY`` plans this is checked: on any difference the cold plan is taken, the state is made anew,
and the difference is logged as an error, for it is a defect.
"""

import logging

from bruk.model.plan import Plan
from bruk.model.snapshot import Snapshot
from bruk.scheduler import State

log = logging.getLogger(__name__)

COLD_EVERY = 256


class Planner:
    """Plans, one after the other. Used by one thread at a time."""

    def __init__(self) -> None:
        self._state: State | None = None
        self._plans = 0

    def plan(self, snapshot: Snapshot) -> Plan:
        """What to do in this world.

        Raises:
            UnknownPolicy: the snapshot names a policy that does not exist.
            SnapshotIncomplete: a pending item's project has no account.
        """
        self._plans += 1
        state, self._state = self._state, None  # After an error nothing is trusted.
        if state is None:
            state = State.load(snapshot)
            plan = state.decide(snapshot.now_ms)
        else:
            state.follow(snapshot)
            plan = state.decide(snapshot.now_ms)
            if self._plans % COLD_EVERY == 0:
                state = State.load(snapshot)
                cold = state.decide(snapshot.now_ms)
                if cold != plan:
                    log.error("the scheduler's state had gone astray; the plan was made anew from cold")
                    plan = cold
        self._state = state
        return plan
