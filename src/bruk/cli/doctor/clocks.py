"""Whether this machine, control and the agents agree about what time it is."""

from pathlib import Path
from typing import TYPE_CHECKING

from bruk.cli.doctor.check import Check, Finding
from bruk.model.errors import BrukError

if TYPE_CHECKING:
    from bruk.wire.answers import Status

OFF_MS_MAX = 5_000


def check_clock(home: Path) -> Check:
    """Whether the machine's clock is where Bruk's time is: that never runs back."""
    from bruk.assembly.clock import SystemClock
    from bruk.store import records
    from bruk.store.database import Database

    clock = SystemClock.shared(file=home / "clock.json")
    file = home / "bruk.sqlite3"
    if file.exists():
        try:
            database = Database.look(file)
            try:
                with database.read() as connection:
                    clock.not_before(records.newest_ms(connection))
            finally:
                database.close()
        except BrukError:
            pass  # The check of the database says it.
    off_ms = clock.off_by_ms()
    if off_ms < -OFF_MS_MAX:
        detail = (
            f"this machine's clock is {-off_ms // 1000:,} s behind Bruk's records and the time it goes by"
        )
        advice = (
            "Set the clock right. Bruk goes on from its newest record, so that nothing is billed twice and "
            "no lease, session or key lives longer, until the clock has caught up."
        )
        return Check("clock", Finding.WRONG, detail, advice)
    return Check("clock", Finding.OK, "not behind Bruk's records")


def check_others(status: "Status | None", wall_ms: int) -> list[Check]:
    """Differences between this machine's clock, control's and the agents', as control has seen them."""
    if status is None:
        return []
    from bruk.cli.platform import clock_difference

    checks = []
    ahead_ms = status.now_ms - wall_ms
    if status.now_ms and abs(ahead_ms) > OFF_MS_MAX:
        where = "ahead of" if ahead_ms > 0 else "behind"
        detail = f"control's time is {abs(ahead_ms) // 1000:,} s {where} this machine's clock"
        advice = (
            "Set the clock; then stop Bruk and start it again at a moment that suits. Work goes on meanwhile."
        )
        checks.append(Check("control's clock", Finding.WRONG, detail, advice))
    apart = {f"the agent of {item.site.name}": item.clock_ahead_ms for item in status.sites}
    apart |= {f"the gateway {item['name']}": item.get("clock_ahead_ms", 0) for item in status.gateways}
    for who, difference_ms in apart.items():
        if difference_ms:
            said, _, advice = clock_difference(who, difference_ms).partition(" Its use")
            checks.append(Check("clocks", Finding.WRONG, said, f"Its use{advice}"))
    return checks
