"""Values into pages: the one template environment, and the fragments of a page that keep themselves fresh.

Everything is escaped unless a template of ours says otherwise. A *fragment* is a part of a page that the
browser asks for again when something changed; it says which content it has, and hears "nothing new" (204)
when that still holds, so that nothing on the screen moves without need.
"""

import hashlib
import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from fastapi import Request, Response
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from bruk.console import figures
from bruk.console.assets import address
from bruk.reports import display

FRAGMENT_HEADER = "Bruk-Fragment"
HAVE_HEADER = "Bruk-Have"

# What a state means to the eye: good, working, attention, bad, or nothing much.
_TONES = {
    "running": "good",
    "ready": "good",
    "succeeded": "good",
    "served": "good",
    "validated": "good",
    "ok": "good",
    "acknowledged": "good",
    "done": "good",
    "connected": "good",
    "on": "good",
    "assigned": "busy",
    "starting": "busy",
    "stopping": "busy",
    "open": "busy",
    "not ready": "busy",
    "behind": "warn",
    "waiting": "warn",
    "draft": "warn",
    "asked": "warn",
    "granted": "good",
    "drained": "warn",
    "lost": "bad",
    "failed": "bad",
    "unhealthy": "bad",
    "no answer": "bad",
    "away": "bad",
    "off": "bad",
}


@cache
def environment() -> Environment:
    """The templates with their filters."""
    made = Environment(
        loader=PackageLoader("bruk.console"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(
        eur=figures.euros,
        eur_exact=display.euros_exact,
        kwh=figures.kwh,
        grams=figures.grams,
        power=figures.power,
        energy=figures.energy,
        carbon=figures.carbon,
        hours=figures.device_hours,
        size=figures.size,
        span=figures.span,
        iso=figures.iso,
        ratio=figures.ratio,
        micro=figures.micro,
        words=figures.words,
        short=figures.short,
        json=lambda value: json.dumps(value, ensure_ascii=False),
        plain=display.plain,
        tone=lambda state: _TONES.get(str(state), "none"),
    )
    made.globals.update(asset=address, moment=figures.moment, quantity=figures.quantity)
    return made


def page(
    request: Request,
    template: str,
    *,
    status: int = 200,
    live: Mapping[str, str] | None = None,
    watch: str = "",
    **values: Any,
) -> Response:
    """A page, or the one fragment of it that the browser asks for.

    Args:
        template: file name in ``templates/``.
        live: name of a fragment to its template; pages show ``live.NAME``.
        watch: query of the event stream, such as ``workload=job_1``.
        values: what the templates name; one that is missing is an error.
    """
    console = request.state.console
    values.update(
        visitor=getattr(request.state, "visitor", None),
        now_ms=console.control.clock.now_ms(),
        here=request.url.path + (f"?{request.url.query}" if request.url.query else ""),
        section=values.get("section", ""),
        events=f"/events?{watch}" if watch else "/events",
        cloud_name=console.cloud_name,
    )
    wanted = request.headers.get(FRAGMENT_HEADER)
    if wanted is not None and wanted not in (live or {}):
        # The page has become another one since it was sent: it is asked for whole.
        return Response(status_code=204, headers={"HX-Refresh": "true"})
    parts = {}
    for name, part in (live or {}).items():
        if wanted is not None and wanted != name:
            continue
        inner = environment().get_template(part).render(**values)
        parts[name] = _fragment(name, inner, values["here"])
        if wanted == name:
            if hashlib.sha256(inner.encode()).hexdigest()[:16] == request.headers.get(HAVE_HEADER):
                return Response(status_code=204)
            return HTMLResponse(parts[name])
    html = environment().get_template(template).render(live=parts, is_live=bool(live), **values)
    return HTMLResponse(html, status_code=status)


def _fragment(name: str, inner: str, here: str) -> Markup:
    have = hashlib.sha256(inner.encode()).hexdigest()[:16]
    wrapper = environment().get_template("fragment.html")
    return Markup(wrapper.render(name=name, inner=Markup(inner), here=here, have=have))  # noqa: S704
