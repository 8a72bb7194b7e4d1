"""A whole cloud in one process under a virtual clock: control, agents, gateways, machines, and their faults.

``cloud`` is control over a database in memory, ``site`` an agent with its simulated machines, ``gateway`` a
gateway without sockets, ``line`` what lies between them. ``scenario`` draws work and faults from a seed,
``faults`` lets them happen, ``invariants`` says what must never be seen, ``life`` lets it all run.
"""
