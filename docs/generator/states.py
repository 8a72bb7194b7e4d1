"""The page of states: what they mean, who moves them, and diagrams made from the transition tables."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

from bruk.model import artifact, inspection, ledger, reason, run, site, switch, tenant, transitions, workload
from generator.source import body, member_comments, table

TABLES: dict[str, tuple[type[StrEnum], Mapping[Any, frozenset[Any]]]] = {
    "observed": (run.Observed, transitions.OBSERVED),
    "run-wanted": (run.RunWanted, transitions.RUN_WANTED),
    "workload-wanted": (workload.Wanted, transitions.WORKLOAD_WANTED),
    "outcome": (workload.Outcome, transitions.OUTCOME),
    "model-stage": (artifact.Stage, transitions.MODEL_STAGE),
}
TITLES = {
    "observed": "A run, as observed",
    "run-wanted": "A run, as wanted",
    "workload-wanted": "A workload, as wanted",
    "outcome": "A workload's outcome",
    "model-stage": "A model's stage",
}
OTHERS: list[tuple[str, type[StrEnum]]] = [
    ("Why a run is stopped", run.StopReason),
    ("What a workload waits for", reason.ReasonCode),
    ("What a job is for", workload.Purpose),
    ("Kinds of workload", workload.WorkloadKind),
    ("Kinds of artifact", artifact.ArtifactKind),
    ("Rules of a gate", artifact.GateRule),
    ("Scopes of a hold", switch.HoldScope),
    ("Enforcers of the switch", switch.EnforcerKind),
    ("What is counted", ledger.Resource),
    ("How an energy figure was had", ledger.Quality),
    ("Roles of people", tenant.Role),
    ("An access request", inspection.InspectionState),
    ("What a tenant demands of operators", inspection.OperatorAccess),
    ("Engines of sites", site.EngineKind),
    ("What a site does when cut off", site.CutOffPolicy),
    ("What keeps runs apart", site.Isolation),
    ("Health of a node", site.NodeHealth),
]
WIDTH, HEIGHT, GAP = 108, 34, 150
LIFT = 26


def page() -> str:
    """The whole page."""
    parts = [
        "# States and transitions\n",
        "Every legal transition stands in one table, `bruk.model.transitions`; the diagrams are drawn from"
        " it. A transition that is not listed is refused with `illegal_transition`. Staying in a state is"
        " always legal and changes nothing. Arrows above the boxes go forward in the order of the list,"
        " arrows below go back; a box with a double border is an end.\n",
    ]
    for key, (states, legal) in TABLES.items():
        comments = member_comments(states)
        parts += [
            f"## {TITLES[key]}\n",
            body(states) + "\n",
            f"![{TITLES[key]}: transitions](diagrams/{key}.svg)\n",
            table(
                ["State", "Meaning", "May be followed by"],
                [
                    [
                        f"`{state.value}`",
                        comments[state.value],
                        ", ".join(f"`{s}`" for s in _after(states, legal, state)) or "nothing",
                    ]
                    for state in states
                ],
            ),
        ]
    for title, states in OTHERS:
        comments = member_comments(states)
        parts += [
            f"## {title}\n",
            body(states) + "\n",
            table(["Value", "Meaning"], [[f"`{state.value}`", comments[state.value]] for state in states]),
        ]
    return "\n".join(parts)


def _after(states: type[StrEnum], legal: Mapping[Any, frozenset[Any]], state: StrEnum) -> Sequence[str]:
    return [other.value for other in states if other in legal[state]]


def diagrams() -> dict[str, str]:
    """Name of the file to its SVG."""
    return {f"{key}.svg": _diagram(TITLES[key], states, legal) for key, (states, legal) in TABLES.items()}


def _diagram(title: str, states: type[StrEnum], legal: Mapping[Any, frozenset[Any]]) -> str:
    order = list(states)
    edges = [(a, b) for a in range(len(order)) for b in range(len(order)) if order[b] in legal[order[a]]]
    above = max((b - a for a, b in edges if b > a), default=0) * LIFT + 16
    below = max((a - b for a, b in edges if a > b), default=0) * LIFT + 16
    width, height = GAP * (len(order) - 1) + WIDTH + 20, above + HEIGHT + below
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img"'
        f' font-family="sans-serif" font-size="14"><title>{title}</title>',
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7"'
        ' orient="auto"><path d="M0 0 L8 4 L0 8 z" fill="#37474f"/></marker></defs>',
        *(_edge(a, b, above) for a, b in edges),
    ]
    for place, state in enumerate(order):
        left = 10 + place * GAP
        parts.append(
            f'<rect x="{left}" y="{above}" width="{WIDTH}" height="{HEIGHT}" rx="5" fill="#eceff1"'
            ' stroke="#37474f"/>'
        )
        if not legal[state]:
            parts.append(
                f'<rect x="{left + 3}" y="{above + 3}" width="{WIDTH - 6}" height="{HEIGHT - 6}" rx="3"'
                ' fill="none" stroke="#37474f"/>'
            )
        parts.append(
            f'<text x="{left + WIDTH // 2}" y="{above + 22}" text-anchor="middle" fill="#000000">'
            f"{state.value}</text>"
        )
    return "\n".join([*parts, "</svg>"]) + "\n"


def _edge(start: int, end: int, top: int) -> str:
    forward, steps = end > start, abs(end - start)
    middle = 10 + WIDTH // 2
    # Arrows leave right of the middle and arrive left of it, so that they do not share a point.
    shift = 12 + 3 * min(steps, 6)
    from_x, to_x = middle + start * GAP, middle + end * GAP
    from_x, to_x = (from_x + shift, to_x - shift) if forward else (from_x - shift, to_x + shift)
    edge = top if forward else top + HEIGHT
    bend = edge - steps * LIFT * 4 // 3 if forward else edge + steps * LIFT * 4 // 3
    return (
        f'<path d="M{from_x} {edge} C{from_x} {bend} {to_x} {bend} {to_x} {edge}" fill="none"'
        ' stroke="#37474f" stroke-width="1.2" marker-end="url(#tip)"/>'
    )
