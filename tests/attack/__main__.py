"""``python -m tests.attack --minutes 5``: the long attack, as every role, and what it found."""

import argparse
import itertools
import sys
import tempfile
import time
from pathlib import Path

from ..control.world import migrated  # noqa: TID252 (tests are no installed package)
from ..gateway.conftest import World  # noqa: TID252
from .inference import CALLERS, Siege
from .openapi import Attack, Tally
from .people import ROLES, cloud


def main() -> int:
    options = argparse.ArgumentParser(prog="python -m tests.attack", description=__doc__)
    options.add_argument("--minutes", type=float, default=1.0, help="for each role")
    options.add_argument("--role", choices=[str(role) for role in ROLES], help="this one only")
    options.add_argument("--seed", type=int, default=1)
    asked = options.parse_args()
    whole = Tally()
    with tempfile.TemporaryDirectory(prefix="bruk-attack-") as folder:
        template = migrated(Path(folder))
        counter = itertools.count()
        for role in ROLES:
            if asked.role is not None and asked.role != str(role):
                continue
            attack = Attack(lambda: cloud(Path(folder, f"{next(counter)}"), template), role)
            until = time.monotonic() + asked.minutes * 60
            for turn in itertools.count(asked.seed):
                for operation in attack.operations():
                    attack.run(operation, 10, turn, until)
                if time.monotonic() >= until:
                    break
            attack.close()
            _tell(str(role), attack.tally)
            whole.add(attack.tally)
        if asked.role is None:
            whole.add(_at_a_gateway(Path(folder), asked.minutes, asked.seed))
    print(f"together {whole.requests} requests, {len(whole.findings)} findings")
    return 1 if whole.findings else 0


def _at_a_gateway(folder: Path, minutes: float, seed: int) -> Tally:
    """Every caller in turn, for so many minutes each; then the ledger is compared with the answers."""
    world = World(folder / "gateway").start()
    try:
        siege = Siege(world)
        until = time.monotonic() + minutes * 60 * len(CALLERS)
        for turn in itertools.count(seed):
            for caller in CALLERS:
                siege.run(caller, 20, turn, until)
            if time.monotonic() >= until:
                break
        siege.settle()
    finally:
        world.close()
    _tell("at a gateway", siege.tally)
    return siege.tally


def _tell(who: str, tally: Tally) -> None:
    statuses = ", ".join(f"{count} x {status}" for status, count in sorted(tally.statuses.items()))
    print(f"{who}: {tally.requests} requests ({statuses}), {len(tally.findings)} findings")
    for finding in tally.findings.values():
        print(finding)
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
