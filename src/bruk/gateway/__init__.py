"""The data plane: admit, relay, meter, journal.

A gateway is one process at one site. Control pushes a signed lease to it (keys, projects, routes, prices,
holds); from that alone it decides, and when the lease ends it refuses everything. What a request used is
durable in the gateway's journal before the client sees the end of its answer, and is handed to control
from there.

It must never reach a database or `control`, never write a prompt or an answer anywhere, and never tell a
client an address, a key or another tenant's model. Look next at `app` for the routes, at `admit` for the
order in which a request is refused, at `relay` for the way through an engine, at `process` for the whole.
"""

from bruk.gateway.limits import Limits
from bruk.gateway.process import Gateway

__all__ = ["Gateway", "Limits"]
