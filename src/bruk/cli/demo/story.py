"""The story, step by step. A step that did not happen ends it with an error and an exit status."""

import contextlib
import json as json_format
import signal
import sys
import time
from pathlib import Path
from types import FrameType

from bruk.cli.demo.act import Story, until
from bruk.cli.demo.bill import bill
from bruk.cli.demo.cast import accept_what_is, agents_ready, enter
from bruk.cli.demo.refuse import refuse
from bruk.cli.demo.scene import DemoFailed, Scene, bruk_up, fresh_home
from bruk.cli.demo.screen import Screen
from bruk.cli.demo.serve import leave, serve
from bruk.cli.demo.train import train
from bruk.cli.demo.validate import validate


def demo(home: Path | None, *, once: bool, json: bool) -> None:
    """Play the demo in a fresh home.

    Args:
        home: a new or empty folder; None takes a temporary one.
        once: end when all steps are done; else stay up until Ctrl-C.
        json: print one JSON object last on stdout; the story then goes to stderr.

    Raises:
        BrukError: a step did not happen; the message says which and why.
    """
    chosen = fresh_home(home)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _leave)
    screen = Screen(to_stderr=json)
    began = time.monotonic()
    screen.console.print(f"[bold]Bruk comes up[/bold] in {chosen}")
    with bruk_up(chosen) as scene:
        cast = enter(scene.operator)
        screen.say("two sites on this machine: essonne (FR) and borlange (SE); three tenants:")
        screen.say(
            "Lutèce Santé may run in France only, Nordlys Media in France and Sweden, Rheinwerk in Germany."
        )
        story = Story(scene, cast, screen)
        until("both agents", 60, lambda: agents_ready(scene.operator))
        if accept_what_is(scene.operator):
            screen.say(
                "Each run has a sandbox of its own, so tenants share this machine without seeing each other."
            )
        else:
            screen.say("This machine cannot keep tenants' runs apart; its operator accepts that in writing.")
        for act in (train, validate, serve, refuse, bill):
            act(story)
        story.summary["seconds"] = round(time.monotonic() - began)
        screen.console.print(f"\n[bold]Done in {story.summary['seconds']} s.[/bold]")
        if json and once:
            print(json_format.dumps(story.summary), flush=True)
        if once:
            leave(story)
            screen.say(f"Its home stays in {chosen}; remove it when you have looked around.")
            return
        screen.console.print(f"   Console  {scene.login_url}  (this link works once)")
        screen.console.print(f"   Gateway  {scene.gateway_url}/v1   home {chosen}")
        screen.console.print("   It stays up until Ctrl-C.")
        if json:
            print(json_format.dumps(story.summary), flush=True)
        _wait_for_the_end(scene)


def _leave(number: int, _frame: FrameType | None) -> None:
    """End as if by itself, so that everything started here is ended too."""
    sys.exit(128 + number)


def _wait_for_the_end(scene: Scene) -> None:
    with contextlib.suppress(KeyboardInterrupt):
        while scene.process.poll() is None:
            time.sleep(0.5)
        raise DemoFailed(f"'bruk up' ended by itself; its log is {scene.home / 'up.log'}")
