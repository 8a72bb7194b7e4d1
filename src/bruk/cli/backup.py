"""A home as one file, and back."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bruk.cli import output
from bruk.cli.output import JsonOption
from bruk.cli.platform import PANEL, HomeOption
from bruk.cli.quantity import show_time
from bruk.cli.settings import settings
from bruk.cli.verify import keyring_of

if TYPE_CHECKING:
    from bruk.assembly.backup import Verified

SHOWN_MAX = 5


def add_to(app: typer.Typer) -> None:
    app.command(rich_help_panel=PANEL)(backup)
    app.command(rich_help_panel=PANEL)(restore)


def backup(
    ctx: typer.Context,
    file: Annotated[
        Path, typer.Argument(metavar="FILE|FOLDER", help="New file to write, or a folder to write one into.")
    ],
    with_keys: Annotated[
        bool,
        typer.Option(
            "--with-keys", help="Also the private signing keys and tokens: keep the file as secret."
        ),
    ] = False,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Write this machine's home to one file, while Bruk runs or not, and verify it.

    Without caches, folders of runs and checkpoints. Private keys are left out unless asked for: keep them
    somewhere else.
    """
    from bruk.assembly.backup import take
    from bruk.assembly.clock import SystemClock
    from bruk.assembly.home import Home

    taken = take(Home(_home(ctx, home)), file, SystemClock(), with_keys=with_keys)
    if json:
        output.show_json({**vars(taken), "file": str(taken.file)})
        return
    output.say(f"{taken.file}: {taken.files:,} files, {taken.size_bytes:,} bytes.")
    if taken.checked:
        entries = ", ".join(f"{count:,} of the {chain}" for chain, count in taken.entries.items())
        output.say(f"Its database was opened and is whole; entries verified: {entries}.")
    else:
        output.note("The home is of another version of Bruk: its records were copied and not verified.")
    _warn("the bytes of", "are not in the home", taken.missing)
    _warn("the bytes of", "are damaged", taken.damaged)
    if with_keys:
        output.note("It holds the private keys and tokens: whoever has it can sign in your name.")
    else:
        output.note(
            "It holds no private key: keep the keys/*.key of the home somewhere else, or use --with-keys."
        )


def restore(
    ctx: typer.Context,
    archive: Annotated[Path, typer.Argument(help="File that 'bruk backup' wrote.")],
    home: HomeOption = None,
    check: Annotated[
        bool, typer.Option("--check", help="Only verify it, as a restore would; nothing is written.")
    ] = False,
    key: Annotated[
        Path | None,
        typer.Option("--key", help="Public keys to trust, from elsewhere; the backup's own if left out."),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Make a new home of a backup, after verifying everything in it."""
    from bruk.assembly import backup as room
    from bruk.assembly.clock import SystemClock
    from bruk.assembly.home import Home

    pinned = None if key is None else keyring_of(key)
    place = Home(_home(ctx, home))
    found = room.check(archive, pinned) if check else room.restore(archive, place, SystemClock(), pinned)
    if json:
        shown = {name: getattr(found, name) for name in found.__slots__}
        output.show_json({**shown, "file": str(found.file), "home": None if check else str(place.path)})
        return
    _say(found)
    if check:
        return
    output.say(f"Restored to {place.path}.")
    if not place.signing_key.exists():
        output.note(
            f"It has no private keys yet: put the old ones to {place.signing_key} and, where projects have "
            f"secrets, {place.path / 'keys' / 'secrets.key'} (mode 0600) first."
        )
    output.say(f"Start it: bruk --home {place.path} up")
    output.note(
        "What was done after the backup is not in it: turn off again what was turned off since, and revoke "
        "again what was revoked."
    )


def _say(found: "Verified") -> None:
    output.say(f"{found.file}: made {show_time(found.made_at_ms, seconds=True)} by Bruk {found.version}.")
    entries = ", ".join(f"{count:,} of the {chain}" for chain, count in found.entries.items())
    output.say(
        f"Verified: {found.files:,} files; the database is whole; entries {entries}; {found.documents:,} "
        f"signed documents agree; accounts add up; {found.waiting:,} usage records wait in journals."
    )
    if not found.pinned:
        output.note("Checked against the keys in the backup itself; --key FILE takes yours from elsewhere.")
    _warn("when it was made, the bytes of", "were not there", found.missing)


def _warn(before: str, after: str, digests: list[str]) -> None:
    if digests:
        shown = ", ".join(digest[:12] for digest in digests[:SHOWN_MAX])
        more = f" and {len(digests) - SHOWN_MAX} more" if len(digests) > SHOWN_MAX else ""
        output.note(f"Attention: {before} {len(digests)} artifacts {after}: {shown}{more}.")


def _home(ctx: typer.Context, home: Path | None) -> Path:
    return settings(ctx).home if home is None else home.expanduser()
