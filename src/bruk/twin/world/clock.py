"""Clocks of machines that may be set wrong, over the one time of the world."""

from bruk.model.clock import Clock


class MachineClock:
    """One machine's own clock: the world's time, wrong by ``offset_ms`` [ms].

    Its monotonic time is never wrong. Identifiers carry the machine's name and are counted, so that
    what one machine draws changes nothing at another.
    """

    def __init__(self, world: Clock, machine: str) -> None:
        self.offset_ms = 0
        self._world = world
        self._machine = machine
        self._count = 0

    def now_ms(self) -> int:
        return self._world.now_ms() + self.offset_ms

    def monotonic_ms(self) -> int:
        return self._world.now_ms()

    def new_id(self, kind: str) -> str:
        self._count += 1
        return f"{kind}_{self._machine}_{self._count}"

    def secret(self) -> str:
        self._count += 1
        return f"secret-{self._machine}-{self._count:020d}"
