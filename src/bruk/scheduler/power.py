"""A site's power limit: what may start under it, and what gives way when it drops.

What a run draws is its devices at full load, with their servers and the site's PUE. New work starts only
under the limit with everything at full power. When what runs is above it, the plan asks for less in this
order. First power caps on runs that are flexible, those that give the most first: tiers of 50, 25 and
10 %, as work was tagged by Colangelo et al. in their field test (arXiv 2507.00909), each tier by the same
part and no more than is needed. Then preemptible runs are stopped, the lowest priority first, then those
that lose the least. They go on from their checkpoints when there is power again. When the limit rises
caps are taken back before anything starts.

It must never stop a run that may not be preempted: what is still above the limit then is said in the
plan. Look next at `decide`.
"""

from dataclasses import dataclass

from bruk.model.plan import Cap, Eviction, Shortfall
from bruk.model.reason import ReasonCode
from bruk.model.snapshot import Pending
from bruk.scheduler.amount import watts
from bruk.scheduler.board import Board
from bruk.scheduler.refusal import Refusal

# Percent of its power that a run of each tier gives, the first first.
TIERS = (50, 25, 10)


@dataclass(frozen=True, slots=True)
class Shed:
    """What gives way at all sites."""

    caps: tuple[Cap, ...]
    evictions: tuple[Eviction, ...]
    shortfalls: tuple[Shortfall, ...]


def power_refusal(board: Board, item: Pending, site: str, accelerator: str) -> Refusal | None:
    """What refuses an item that would bring its site above its power limit, now or while it must run."""
    place = board.sites[site].site
    if not place.power_limits:
        return None
    until_ms = board.now_ms if item.preemptible else board.ends_ms(item)
    limit_w = place.least_power_limit_w(board.now_ms, until_ms)
    if limit_w is None:
        return None
    resources = item.resources
    devices_milli = resources.devices_total * resources.device_milli
    need_uw = board.power_uw(site, accelerator, devices_milli)
    drawn_uw = board.holdings.site_power_uw[site]
    if drawn_uw + need_uw <= limit_w * 1_000_000:
        return None
    limit_needed_w = -(-(drawn_uw + need_uw) // 1_000_000)
    return Refusal(
        ReasonCode.POWER,
        f"it would draw {watts(need_uw)}, and of the site's limit of {limit_w} W {watts(drawn_uw)} are drawn",
        (f"Wait until work at {site} ends, or have" if drawn_uw else "Have")
        + f" its power limit raised to at least {limit_needed_w} W with"
        f" 'bruk site power {site} {limit_needed_w}W --clear'.",
    )


def shed(board: Board) -> Shed:
    """What must give way at this instant; runs that are to be stopped are stopping on the board."""
    caps: list[Cap] = []
    evictions: list[Eviction] = []
    shortfalls: list[Shortfall] = []
    limited = {name for name, state in board.sites.items() if state.site.power_limits}
    capped = {run for run, facts in board.facts.items() if facts.power_cap_percent and run in board.runs}
    if not limited and not capped:
        return Shed((), (), ())
    for name in sorted(board.sites):
        here = [run for run in sorted(board.runs) if board.holdings.of[run].site == name]
        here = [run for run in here if run not in board.stopping]
        limit_w = board.sites[name].site.power_limit_w(board.now_ms)
        over_uw = 0
        if limit_w is not None:
            over_uw = max(0, sum(board.holdings.of[run].power_uw for run in here) - limit_w * 1_000_000)
        if not over_uw and not any(run in capped for run in here):
            continue
        wanted, left_uw = _caps(board, here, over_uw)
        for run in _stopped(board, here, wanted, left_uw):
            left_uw -= _after_cap(board, run, wanted)
            board.evict_for_power(run)
            detail = (
                f"{name} draws more than its power limit of {limit_w} W; it goes on from its last checkpoint"
                " when there is power again."
            )
            evictions.append(Eviction(run, "", detail))
        gone = {eviction.run for eviction in evictions}
        caps += [
            Cap(run, wanted.get(run, 0), f"{name} has a power limit of {limit_w} W." if limit_w else "")
            for run in here
            if run not in gone and wanted.get(run, 0) != _cap_of(board, run)
        ]
        if left_uw > 0:
            shortfalls.append(Shortfall(name, -(-left_uw // 1_000_000)))
    return Shed(tuple(caps), tuple(evictions), tuple(shortfalls))


def _cap_of(board: Board, run: str) -> int:
    facts = board.facts.get(run)
    return facts.power_cap_percent if facts is not None else 0


def _caps(board: Board, here: list[str], over_uw: int) -> tuple[dict[str, int], int]:
    """By run the percent of its power that it gives; and what is still too much."""
    wanted: dict[str, int] = {}
    for tier in TIERS:
        if over_uw <= 0:
            break
        flexible = [
            run for run in here if (facts := board.facts.get(run)) and facts.flexibility_percent == tier
        ]
        power_uw = sum(board.holdings.of[run].power_uw for run in flexible)
        if not power_uw:
            continue
        percent = min(tier, -(-over_uw * 100 // power_uw))
        wanted.update(dict.fromkeys(flexible, percent))
        over_uw -= power_uw * percent // 100
    return wanted, over_uw


def _after_cap(board: Board, run: str, wanted: dict[str, int]) -> int:
    return board.holdings.of[run].power_uw * (100 - wanted.get(run, 0)) // 100


def _stopped(board: Board, here: list[str], wanted: dict[str, int], over_uw: int) -> list[str]:
    """Preemptible runs until nothing is too much any more, and none that is not needed."""
    may = [run for run in here if (facts := board.facts.get(run)) is not None and facts.preemptible]
    chosen: list[str] = []
    for run in sorted(may, key=lambda run: (board.facts[run].priority, board.lost_device_ms(run), run)):
        if over_uw <= 0:
            break
        chosen.append(run)
        over_uw -= _after_cap(board, run, wanted)
    for run in list(chosen):
        # A larger one that came later may make an earlier one unnecessary.
        if over_uw + _after_cap(board, run, wanted) <= 0:
            chosen.remove(run)
            over_uw += _after_cap(board, run, wanted)
    return chosen
