"""Bruk, the open control plane of a sovereign AI cloud. Import the rooms, not this."""

__version__ = "0.1.0"
