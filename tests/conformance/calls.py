"""Which call of an official client a test makes, for the page of compatibility."""

from collections.abc import Callable
from typing import Any


def works(call: str, how: str = "") -> Callable[[Any], Any]:
    """The test shows that this call of the client works, with ``how`` in particular."""
    return lambda test: test


def refused(call: str, how: str = "") -> Callable[[Any], Any]:
    """The test shows that this call gets a clear refusal."""
    return lambda test: test
