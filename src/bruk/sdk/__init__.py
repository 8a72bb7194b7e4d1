"""The Python client of control's API: what the command line uses, and what your own programs may.

``Client`` holds one part per group of routes; every method answers a model dataclass, or a plain
dictionary where the answer puts several things together. Every failure is a ``SdkError``.
Imports ``wire`` (and ``model`` through it) alone, and never decides anything that control decides.
Look next at ``client``, at ``transport`` for what happens on the line, at ``tree`` for how a folder
becomes one artifact.
"""

from bruk.sdk.client import Client
from bruk.sdk.errors import SdkError
from bruk.wire.answers import WorkloadView

__all__ = ["Client", "SdkError", "WorkloadView"]
