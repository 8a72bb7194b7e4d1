"""Real time and chance: the only module that reads the machine's clock and random source."""

import secrets
import time


class SystemClock:
    """Implements ``model.clock.Clock``."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic_ms(self) -> int:
        return time.monotonic_ns() // 1_000_000

    def new_id(self, kind: str) -> str:
        # 44 bits of milliseconds sort by time until the year 2527; 48 random bits tell apart what
        # is made in the same millisecond.
        return f"{kind}_{self.now_ms():011x}{secrets.token_hex(6)}"

    def secret(self) -> str:
        return secrets.token_urlsafe(32)
