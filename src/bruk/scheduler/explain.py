"""The reason of a waiting item, put together from what the filters said of each site.

The decisive refusal is that of the site that came furthest, since its advice brings the item
nearest to a start; of equals the site of the checkpoint, then the first by name. It must never
refer to another tenant's work by identifier: reasons are read by tenants.
"""

from collections.abc import Sequence
from dataclasses import replace

from bruk.model.reason import Reason, ReasonCode, SiteRefusal
from bruk.model.snapshot import Pending
from bruk.scheduler.amount import count
from bruk.scheduler.board import Board
from bruk.scheduler.filters import Verdict
from bruk.scheduler.refusal import Refusal


def explain(board: Board, item: Pending, verdicts: Sequence[Verdict]) -> Reason:
    """Why the item waits, from the verdicts of all sites; those with offers left lack room."""
    refusals = [(verdict, verdict.refusal or _capacity(item, verdict)) for verdict in verdicts]
    sites = [
        SiteRefusal(
            verdict.site,
            refusal.code,
            refusal.detail,
            verdict.nodes_total,
            _nodes_refused(item, verdict),
        )
        for verdict, refusal in refusals
    ]
    sites += [
        SiteRefusal(name, ReasonCode.SITE_CHOICE, "there is no such site")
        for name in sorted(set(item.sites) - board.sites.keys())
    ]
    if not refusals:
        return Reason(
            ReasonCode.SITE_AWAY,
            "It waits because no site is known.",
            "Add a site that its residency and its own choice of sites allow, and start its agent.",
            tuple(sites),
        )
    _, decisive = max(
        refusals,
        # Sites come sorted by name and max keeps the first of equals.
        key=lambda pair: (pair[1].rank, pair[0].site == item.preferred_site),
    )
    return Reason(
        decisive.code,
        _summary(item, decisive.code, sites),
        decisive.advice,
        tuple(sites),
        item.not_before_ms if decisive.code is ReasonCode.BACKOFF else None,
    )


def with_remedy(reason: Reason, clause: str) -> Reason:
    """The reason, with what the plan itself does about it added to its summary."""
    return replace(reason, summary=f"{reason.summary.removesuffix('.')}; {clause}.")


def _summary(item: Pending, code: ReasonCode, sites: Sequence[SiteRefusal]) -> str:
    """One sentence: what the sites that came furthest say, or what all say when it is the law."""
    if code is ReasonCode.RESIDENCY:
        said = [site for site in sites if site.code is code] or list(sites)
        return f"The residency of project {item.project} allows no site: {_join(said)}."
    if code is ReasonCode.SITE_CHOICE:
        said = [site for site in sites if site.site in item.sites]
        return f"None of the sites that it asks for will do: {_join(said)}."
    said = [site for site in sites if site.code is code]
    return f"It waits because {_join(said)}."


def _join(sites: Sequence[SiteRefusal]) -> str:
    return "; ".join(f"at {site.site} {site.detail}" for site in sites)


def _capacity(item: Pending, verdict: Verdict) -> Refusal:
    resources = item.resources
    room = sum(1 for offer in verdict.offers for node in offer.rooms if node.fits(resources))
    would = sum(len(offer.rooms) for offer in verdict.offers)
    kept = any(node.kept for offer in verdict.offers for node in offer.rooms)
    detail = (
        f"{count(room, 'node')} of the {would} that would do have room for"
        f" {count(resources.devices, 'device')}, {count(resources.nodes, 'node')} being needed"
        + (", some room being kept for work that is ahead" if kept else "")
    )
    return Refusal(
        ReasonCode.CAPACITY,
        detail,
        f"Wait until work at {verdict.site} ends, or have nodes added there.",
    )


def _nodes_refused(item: Pending, verdict: Verdict) -> dict[ReasonCode, int]:
    refused = dict(verdict.nodes_refused)
    full = sum(1 for offer in verdict.offers for room in offer.rooms if not room.fits(item.resources))
    if full:
        refused[ReasonCode.CAPACITY] = full
    return {code: refused[code] for code in ReasonCode if code in refused}
