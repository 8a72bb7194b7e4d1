"""JSON that somebody else wrote: a value, or one kind of error.

The standard reader raises a second, unrelated error for text that is nested too deeply, and who
forgets it dies of a thousand brackets. Everything of Bruk that reads JSON of files, processes and
strangers reads it here; a test holds that. It must never judge what the value means: callers do.
"""

import json
from typing import Any


def parse_json(data: bytes | str) -> Any:
    """The value that the text spells.

    Raises:
        ValueError: it is no JSON, not Unicode, nested too deeply, or holds a number of too many digits.
    """
    try:
        return json.loads(data)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
