"""The console: pages for operators, tenants and auditors, made on the server.

It asks control's commands and reads, with the same authorisation as everywhere, and never decides
anything itself. It never asks anything of another origin. ``router`` puts it together; ``door`` says
who may come in and what every answer carries; ``rendering`` turns values into pages; ``live`` keeps
them fresh; the other modules are one page or a few each.
"""

from bruk.console.router import create_router

__all__ = ["create_router"]
