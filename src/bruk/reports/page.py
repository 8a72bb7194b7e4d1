"""Puts documents into self-contained, printable pages.

A page asks for nothing outside itself and says so to the browser; what came from outside is escaped. The
templates stand in `templates/`; `display` writes the quantities in them.
"""

from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from bruk.reports import display


def render_page(template: str, **values: Any) -> str:
    """The page that a template makes of some values.

    Args:
        template: file name in `templates/`.
        values: what the template names; one that is missing is an error.
    """
    return _environment().get_template(template).render(**values)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("bruk.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        euros=display.euros,
        euros_exact=display.euros_exact,
        price=display.price,
        count=display.count,
        kwh=display.kilowatt_hours,
        grams=display.grams,
        ratio=display.ratio,
        moment=display.moment,
        plain=display.plain,
        unit_name=display.unit_name,
    )
    environment.globals.update(quantity=display.quantity, priced_unit=display.priced_unit)
    return environment
