"""The ``bruk`` command.

Reads arguments, calls the SDK, shows what came. No decision of the platform is taken here. Only
``up``, ``demo``, ``agent``, ``gateway`` and ``off --local`` reach past the SDK, and import what they
need when they run, so that the command starts at once.
Look next at ``main`` for the tree of commands and the exit codes, at ``output`` for what they print.
"""
