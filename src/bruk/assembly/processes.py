"""What every process of this machine does first, and what it reads from its environment.

Nothing here imports what only one of them needs: a gateway must not bear the weight of control.
"""

import logging
import os
import sys

from bruk.model import egress
from bruk.model.egress import Destination
from bruk.model.errors import InvalidInput


def settle_in() -> None:
    """Files for the owner alone, and structured lines on stderr; the level is BRUK_LOG (INFO by default)."""
    os.umask(0o077)
    logging.basicConfig(
        level=os.environ.get("BRUK_LOG", "INFO").upper(),
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
        stream=sys.stderr,
    )
    # One line a request would drown everything else.
    for name in ("httpx", "httpcore", "uvicorn.access", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)


def destinations(variable: str, which: str) -> tuple[Destination, ...]:
    """The destinations that an environment variable lists.

    Raises:
        InvalidInput: one of them is none; names the variable, and ``which`` it lists, with an example.
    """
    try:
        return tuple(map(egress.parse, os.environ.get(variable, "").replace(",", " ").split()))
    except InvalidInput as error:
        raise InvalidInput(
            f"{variable}: {error.message}. It lists the destinations {which}, with spaces between them"
        ) from None
