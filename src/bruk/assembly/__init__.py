"""The one room that knows every other: it puts the processes together.

``clock`` is real time and chance; ``home`` the folder everything lives in; ``platform`` control with its
API and console as one application; ``up`` the process tree of one machine; ``children`` keeps agents and
gateways running; ``agent`` and ``gateway`` are their own processes, and ``processes`` what all of them do
first. The command line imports this; nothing else does. Nothing is imported here: a gateway's process
would bear the weight of all the others.
"""
