"""What may happen to a scheduler's state between two decisions.

Events carry whole nouns and replace what was there under the same identifier, so that applying one
twice changes nothing. They never carry a decision: applying a plan is told as the events that
followed from it. Look next at `state`, which applies them.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from bruk.model.run import Run
from bruk.model.snapshot import Account, Pending, RunFacts, SiteState
from bruk.model.switch import Hold


@dataclass(frozen=True, slots=True)
class RunAdded:
    """A run holds devices from now on, or something about it changed.

    Attributes:
        facts: None for a run that may never be preempted.
    """

    run: Run
    facts: RunFacts | None = None


@dataclass(frozen=True, slots=True)
class RunEnded:
    """Nothing of this run is left; its devices are free."""

    run: str


@dataclass(frozen=True, slots=True)
class PendingAdded:
    """A placement is asked for, or what it asks for changed."""

    pending: Pending


@dataclass(frozen=True, slots=True)
class PendingRemoved:
    """It was placed or is no longer wanted."""

    pending: str


@dataclass(frozen=True, slots=True)
class HoldRaised:
    """A hold stands."""

    hold: Hold


@dataclass(frozen=True, slots=True)
class HoldReleased:
    """A hold no longer stands."""

    hold: str


@dataclass(frozen=True, slots=True)
class SiteChanged:
    """A site was added, or its nodes or its connection changed."""

    site: SiteState


@dataclass(frozen=True, slots=True)
class AccountChanged:
    """A project was added, or what it has used and may still use changed."""

    account: Account


@dataclass(frozen=True, slots=True)
class SiteRemoved:
    """A site is no more."""

    site: str


@dataclass(frozen=True, slots=True)
class AccountRemoved:
    """A project is no more."""

    project: str


@dataclass(frozen=True, slots=True)
class PricesChanged:
    """What a device-hour costs from now on, by accelerator [EUR * 1e-6]."""

    prices_microeur: Mapping[str, int]


Event = (
    RunAdded
    | RunEnded
    | PendingAdded
    | PendingRemoved
    | HoldRaised
    | HoldReleased
    | SiteChanged
    | AccountChanged
    | SiteRemoved
    | AccountRemoved
    | PricesChanged
)
