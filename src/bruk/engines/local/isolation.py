"""The one place where a run's command is wrapped to keep it apart from others.

Today a run is only a process of the operator's user: the engine says ``none`` and the scheduler
keeps tenants apart instead. A sandbox becomes another branch here, and nowhere else. Standard
library only: the supervisor imports it.
"""

from bruk.engines.local.records import Order


def wrapped(order: Order) -> list[str]:
    """The argument list that is really executed for ``order``.

    Raises:
        ValueError: the order asks for an isolation that this machine's engine does not have.
    """
    if order.isolation == "none":
        return order.command
    raise ValueError(f"this engine has no isolation {order.isolation!r}; order 'none'")
