"""Placement rules by name, on the fleet's arrays.

``random``, ``bestfit`` and ``fgd`` are built from their published definitions, to be compared with;
``bruk`` is Bruk's own. All see the same requests through the same door: ``arrived`` once for each
request, ``choose`` when it is to be placed. A rule never changes the fleet.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from bruk.model.errors import InvalidInput
from bruk.scheduler.fleet.arrays import Fleet, Integers
from bruk.scheduler.fleet.bestfit import BestFit
from bruk.scheduler.fleet.chance import Anywhere, Chance
from bruk.scheduler.fleet.fragmentation import Fragmentation
from bruk.scheduler.fleet.shape import Shape
from bruk.scheduler.fleet.waste import Waste


class UnknownRule(InvalidInput):
    """A placement rule was named that does not exist."""

    code = "unknown_rule"


class Rule(Protocol):
    """What chooses."""

    def arrived(self, shape: Shape) -> None:
        """Note that a request of this shape came; to be called once for each, before it is placed."""
        ...

    def choose(self, shape: Shape) -> tuple[int, tuple[int, ...]] | None:
        """Number of the node and indices of its devices, or None when nothing has room."""
        ...

    def scores(self, shape: Shape) -> dict[int, int]:
        """The score of every node with room, by its number; lower is better."""
        ...


@dataclass(frozen=True, slots=True)
class Setting:
    """What a rule may be given.

    Attributes:
        chance: where it draws lots.
        turns: each node's turn among equals; see ``rows.Rows``.
        expected: shapes and popularity of all work, for rules that are given it beforehand.
    """

    chance: Chance
    turns: Integers | None = None
    expected: Mapping[Shape, float] = field(default_factory=dict)


RULES: dict[str, Callable[[Fleet, Setting], Rule]] = {
    "random": lambda fleet, setting: Anywhere(fleet, setting.chance),
    "bestfit": lambda fleet, setting: BestFit(fleet, setting.turns),
    "fgd": lambda fleet, setting: Fragmentation(fleet, setting.expected, setting.turns),
    "bruk": lambda fleet, setting: Waste(fleet, setting.turns),
}


def rule(name: str, fleet: Fleet, setting: Setting) -> Rule:
    """The rule of this name on a fleet.

    Raises:
        UnknownRule: there is none; the message lists those that there are.
    """
    known_rule(name)
    return RULES[name](fleet, setting)


def known_rule(name: str) -> None:
    """Refuse the name of a rule that does not exist.

    Raises:
        UnknownRule: see ``rule``.
    """
    if name not in RULES:
        raise UnknownRule(f"There is no placement rule called {name!r}. Take one of: {', '.join(RULES)}.")
