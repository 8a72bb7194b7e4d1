"""The one room that knows every other: it puts the processes together.

``clock`` is real time and chance; ``home`` the folder everything lives in; ``platform`` control
with its API and console as one application; ``up`` the process tree of one machine; ``children``
keeps agents and gateways running; ``processes`` are the agent and the gateway themselves.
The command line imports this; nothing else does.
"""

from bruk.assembly.clock import SystemClock
from bruk.assembly.processes import run_agent, run_gateway
from bruk.assembly.up import up

__all__ = ["SystemClock", "run_agent", "run_gateway", "up"]
