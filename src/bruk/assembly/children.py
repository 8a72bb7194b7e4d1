"""Keeps child processes running: starts them, starts them again with a growing pause, ends them."""

import asyncio
import contextlib
import logging
import os
import signal
import subprocess
import sys
from pathlib import Path

from bruk.engines.local.child import PR_SET_PDEATHSIG, prctl

log = logging.getLogger(__name__)

PAUSE_S = 0.5
PAUSE_S_MAX = 30.0
# A child that ran for so long before it ended had started well, so its pause begins anew.
WELL_S = 60.0
END_S = 20.0
# Variables that are this process's alone: no agent or gateway needs the store's address and password.
OWN = ("BRUK_DATABASE_URL",)


class Children:
    """The agents and gateways of this machine, by name.

    They die with this process (the kernel sends SIGTERM), so that two never serve one home. What
    the agents' supervisors run outlives them all.
    """

    def __init__(self, logs: Path, env: dict[str, str] | None = None) -> None:
        self._logs = logs
        self._env = env or {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def keep(self, name: str, arguments: list[str], env: dict[str, str] | None = None) -> None:
        """Start ``bruk ARGUMENTS`` unless it is kept already."""
        if name not in self._tasks:
            self._tasks[name] = asyncio.create_task(self._run(name, arguments, env or {}))

    def names(self) -> set[str]:
        """Which children are kept."""
        return set(self._tasks)

    async def end(self) -> None:
        """End every child: SIGTERM, a grace, SIGKILL."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        self._tasks.clear()

    async def _run(self, name: str, arguments: list[str], env: dict[str, str]) -> None:
        pause_s = PAUSE_S
        while True:
            started = asyncio.get_running_loop().time()
            status = await self._once(name, arguments, env)
            if asyncio.get_running_loop().time() - started > WELL_S:
                pause_s = PAUSE_S
            log.warning(
                "%s ended with status %s; it starts again in %.1f s (its log: %s)",
                name,
                status,
                pause_s,
                self._log_path(name),
            )
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, PAUSE_S_MAX)

    def _log_path(self, name: str) -> Path:
        return self._logs / f"{name}.log"

    async def _once(self, name: str, arguments: list[str], env: dict[str, str]) -> int:
        inherited = {name: item for name, item in os.environ.items() if name not in OWN}
        with self._log_path(name).open("ab") as output:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "bruk",
                *arguments,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**inherited, **self._env, **env},
                preexec_fn=_die_with_parent,
            )
        try:
            return await process.wait()
        except asyncio.CancelledError:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            try:
                await asyncio.wait_for(process.wait(), END_S)
            except TimeoutError:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
            raise


def _die_with_parent() -> None:
    prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    # Signals of the terminal go to the parent alone, which ends its children in order.
    os.setpgid(0, 0)
