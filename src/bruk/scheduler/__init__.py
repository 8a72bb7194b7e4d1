"""Decides what runs where: a pure function from a snapshot to a plan with typed reasons.

It must never read a clock, draw chance, speak to anything or depend on hash order: standard library
and numpy alone. Begin at ``schedule`` in `state`, then `decide`; `check` refuses wrong plans.
"""

from bruk.scheduler.backfill import BACKFILLS
from bruk.scheduler.board import SnapshotIncomplete
from bruk.scheduler.check import Violation, check
from bruk.scheduler.event import (
    AccountChanged,
    AccountRemoved,
    Event,
    HoldRaised,
    HoldReleased,
    PendingAdded,
    PendingRemoved,
    PricesChanged,
    RunAdded,
    RunEnded,
    SiteChanged,
    SiteRemoved,
)
from bruk.scheduler.order import ORDERS
from bruk.scheduler.scores import PLACEMENTS
from bruk.scheduler.state import State, UnknownPolicy, schedule

__all__ = [
    "BACKFILLS",
    "ORDERS",
    "PLACEMENTS",
    "AccountChanged",
    "AccountRemoved",
    "Event",
    "HoldRaised",
    "HoldReleased",
    "PendingAdded",
    "PendingRemoved",
    "PricesChanged",
    "RunAdded",
    "RunEnded",
    "SiteChanged",
    "SiteRemoved",
    "SnapshotIncomplete",
    "State",
    "UnknownPolicy",
    "Violation",
    "check",
    "schedule",
]
