"""REST for people and tools, under ``/api/v1``, and the doors for agents and gateways.

Each route names its caller by its type (``Caller``, ``Agent``, ``GatewayCaller``); the few open
ones stand in a reviewed list that a test compares. Routes translate; what they mean is decided in
``control``. Must never be imported by the console, which has a door of its own.
"""

from bruk.api.app import create_api
from bruk.api.door import install_errors

__all__ = ["create_api", "install_errors"]
