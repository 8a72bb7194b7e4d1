"""The fleet as arrays, and the rules that choose on it: the kernel under every placement.

Standard library and numpy alone; no clock, no chance of its own, nothing that depends on hash order.
Begin at `arrays`; `rows` makes choices cheap; `stranding` and `waste` are Bruk's own rule.
"""

from bruk.scheduler.fleet.arrays import Fleet, FleetNode, Taken
from bruk.scheduler.fleet.chance import Chance
from bruk.scheduler.fleet.mix import counted
from bruk.scheduler.fleet.rules import RULES, Rule, Setting, UnknownRule, rule
from bruk.scheduler.fleet.shape import WHOLE_MILLI, Shape, ShapeInvalid

__all__ = [
    "RULES",
    "WHOLE_MILLI",
    "Chance",
    "Fleet",
    "FleetNode",
    "Rule",
    "Setting",
    "Shape",
    "ShapeInvalid",
    "Taken",
    "UnknownRule",
    "counted",
    "rule",
]
