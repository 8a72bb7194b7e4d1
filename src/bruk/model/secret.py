"""Secrets of projects: what their jobs need and nobody reads back, such as tokens for other services."""

from dataclasses import dataclass

# Enough for a key file or a service account's document.
VALUE_BYTES_MAX = 64 * 1024
PER_PROJECT_MAX = 100


@dataclass(frozen=True, slots=True)
class Secret:
    """That there is one. Its value is never part of a noun.

    Attributes:
        name: of the environment variable that a job finds it under.
        set_by: who gave its value last.
    """

    project: str
    name: str
    set_at_ms: int
    set_by: str
