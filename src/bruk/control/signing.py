"""The signing key: found at the start, rotated, revoked, its public halves published.

The store says which key signs; the private half lies in ``signing.key``. A rotation writes the new private
key to ``next.key``, then changes the store (hand-over statement, both rows, audit entry) in one
transaction, then moves the file into place, which destroys the old private key's file. A crash between any
two of these is put right by ``open_keys`` at the next start: what the store says goes, unless it was set
back. It must never sign with a key that the store does not name. Look next at ``seal.handover``.
"""

import json
import logging
import os
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

from bruk.control import authorise
from bruk.control.control import Control
from bruk.journal.disk import sync_folder
from bruk.model.clock import Clock
from bruk.model.errors import Forbidden, InvalidInput
from bruk.model.ledger import AuditEntry
from bruk.model.tenant import SYSTEM, Actor
from bruk.seal import Handover, KeyFileMissing, Keyring, PublicKey, SigningKey
from bruk.store import records, signing
from bruk.store.database import Database
from bruk.store.signing import SigningKeyRow
from bruk.wire.answers import SigningKeyStatus

log = logging.getLogger(__name__)
CURRENT, NEXT, PUBLIC = "signing.key", "next.key", "public.json"
FOLDER = "keys"


def open_keys(folder: Path, database: Database, clock: Clock) -> tuple[SigningKey, Keyring]:
    """The key that signs and the ring of all there were; at the first start the store takes the key's name.

    Raises:
        KeyFileMissing: the folder has not the private key that the store names.
        SealError: a key file cannot be used, or a statement in the store does not hold.
    """
    current, following = folder / CURRENT, folder / NEXT
    for draft in folder.glob(".*.new"):
        # Of a key whose writer was killed: it may be the very key, and must not outlive its rotation.
        draft.unlink()
    with database.read() as connection:
        known = signing.signing_keys(connection)
        first_ms = records.first_ms(connection)
    if not known:
        following.unlink(missing_ok=True)
        if not current.exists():
            if first_ms is not None:
                raise KeyFileMissing(
                    f"There are records, and {current} is missing. Restore it from a backup."
                )
            SigningKey.generate().save(current)
        key = SigningKey.load(current)
        with database.write() as connection:
            from_ms = clock.now_ms() if first_ms is None else first_ms
            first = SigningKeyRow(1, key.public_key.text, from_ms)
            signing.add(connection, first)
        known = [first]
    else:
        found = _named(known[-1], current, following)
        if found is None:
            known = _caught_up(folder, database, known)
            found = SigningKey.load(current)
        key = found
    ring = ring_of(known)
    _publish(folder, ring)
    return key, ring


def _named(newest: SigningKeyRow, current: Path, following: Path) -> SigningKey | None:
    """The private key of this row, or None; puts right what a crash in the midst of a rotation left."""
    found = SigningKey.load(current)
    if found.public_key.text == newest.public_key:
        following.unlink(missing_ok=True)
        return found
    if following.exists() and SigningKey.load(following).public_key.text == newest.public_key:
        _move(following, current)
        return SigningKey.load(current)
    return None


def _caught_up(folder: Path, database: Database, known: list[SigningKeyRow]) -> list[SigningKeyRow]:
    """What the store would say, had it not been set back to before a rotation.

    The old private key is gone by then. The statements in the folder's own ring lead from the key that the
    store names to the one that is there.

    Raises:
        KeyFileMissing: they do not.
    """
    key = SigningKey.load(folder / CURRENT).public_key
    named = PublicKey.from_text(known[-1].public_key)
    statements = Keyring.from_file(folder / PUBLIC).handovers if (folder / PUBLIC).exists() else ()
    ring = Keyring.of([named]).following(statements)
    due = {item.old_key: item for item in ring.handovers}
    caught_up = list(known)
    while named != key and named in due:
        item = due[named]
        caught_up[-1] = replace(caught_up[-1], until_ms=max(item.at_ms, caught_up[-1].from_ms))
        caught_up.append(
            SigningKeyRow(len(caught_up) + 1, item.new_key.text, item.at_ms, None, item.document())
        )
        named = item.new_key
    if named != key:
        raise KeyFileMissing(
            f"The database says that key {PublicKey.from_text(known[-1].public_key).key_id} signs, and "
            f"{folder / CURRENT} is key {key.key_id}. Restore both from the same backup, or put the newest "
            f"{CURRENT} and the {PUBLIC} that was beside it there: it leads from the one to the other."
        )
    with database.write() as connection:
        for before, after in pairwise(caught_up[len(known) - 1 :]):
            assert before.until_ms is not None, "it was followed"
            signing.retire(connection, before.number, before.until_ms)
            signing.add(connection, after)
            detail = {"old": PublicKey.from_text(before.public_key).key_id, "set_back": True}
            target = PublicKey.from_text(after.public_key).key_id
            at_ms = max(records.newest_ms(connection), after.from_ms)
            entry = AuditEntry(0, at_ms, SYSTEM.kind, SYSTEM.id, "signing_key.rotate", target, "done", detail)
            records.append_audit(connection, entry)
    return caught_up


def ring_of(known: list[SigningKeyRow]) -> Keyring:
    """The newest key, and through the statements those before it, each as far as its word counts."""
    statements = [Handover.from_document(row.handover) for row in known if row.handover is not None]
    return Keyring.of([PublicKey.from_text(known[-1].public_key)]).following(statements)


def rotate(control: Control, actor: Actor, revoked_from_ms: int | None = None) -> SigningKeyStatus:
    """Let a new key sign from now on; the one before it signs a statement that hands over.

    Args:
        revoked_from_ms: the old key was compromised: what it signed at this time or later is not
            believed [ms].

    Raises:
        InvalidInput: the key was not in use at that time.
    """
    folder = control.home / FOLDER
    with control.rotating:
        with control.refusals(actor, "signing_key.rotate", "*"):
            authorise.operate(actor, "rotate the signing key")
            if actor.site is not None:
                raise Forbidden("only an operator of the whole platform may rotate the signing key")
        new = _made(folder)
        with control.change(actor, "signing_key.rotate", new.key_id) as change:
            known = signing.signing_keys(change.connection)
            old = known[-1] if known else None
            if old is None:
                old = SigningKeyRow(1, control.key.public_key.text, change.now_ms)
                signing.add(change.connection, old)
            # A clock that was set back must not take away what was signed before.
            at_ms = max(change.now_ms, old.from_ms, records.newest_ms(change.connection))
            if revoked_from_ms is not None and not old.from_ms <= revoked_from_ms <= at_ms:
                began = datetime.fromtimestamp(old.from_ms / 1000, UTC).isoformat(" ", "seconds")
                raise InvalidInput(
                    f"only the key that signs now can be revoked, from a moment since it began ({began}) "
                    "until now; one that handed over before has no private half any more to say so: give "
                    "auditors the newer key alone",
                    field="revoked_from_ms",
                )
            chains = (records.AUDIT, records.LEDGER)
            statement = Handover.sign(
                control.signers[old.public_key],
                new,
                at_ms,
                [records.head(change.connection, chain) for chain in chains],
                previous="" if old.handover is None else Handover.from_document(old.handover).digest,
                until_ms=None if revoked_from_ms is None else revoked_from_ms - 1,
                until_heads=None
                if revoked_from_ms is None
                else [records.head_before(change.connection, chain, revoked_from_ms) for chain in chains],
            )
            row = SigningKeyRow(old.number + 1, new.public_key.text, at_ms, None, statement.document())
            signing.retire(change.connection, old.number, at_ms)
            signing.add(change.connection, row)
            change.detail = {
                "old": statement.old_key.key_id,
                "new": new.key_id,
                "handover": statement.digest,
                "revoked_from_ms": revoked_from_ms,
            }
            known = signing.signing_keys(change.connection)
            # Before others can see the row; one that is not committed names it to nobody.
            control.signers[row.public_key] = new
        control.key, control.keyring = new, ring_of(known)
        _put_in_place(folder, control.keyring)
    return _status(known)[-1]


def keys(control: Control, actor: Actor) -> list[SigningKeyStatus]:
    """Every key that signs or signed, the oldest first; for operators and auditors."""
    authorise.audit(actor, "list the signing keys")
    with control.read() as connection:
        return _status(signing.signing_keys(connection))


def _status(known: list[SigningKeyRow]) -> list[SigningKeyStatus]:
    found = []
    for row, after in pairwise([*known, None]):
        assert row is not None, "only the last has none behind it"
        statement = None if after is None else Handover.from_document(after.handover)
        revoked = statement is not None and statement.revoked
        found.append(
            SigningKeyStatus(
                row.number,
                PublicKey.from_text(row.public_key).key_id,
                row.public_key,
                row.from_ms,
                row.until_ms,
                statement.until_ms + 1 if statement is not None and revoked else None,
            )
        )
    return found


def _made(folder: Path) -> SigningKey:
    (folder / NEXT).unlink(missing_ok=True)
    new = SigningKey.generate()
    new.save(folder / NEXT)
    return new


def _put_in_place(folder: Path, ring: Keyring) -> None:
    try:
        _move(folder / NEXT, folder / CURRENT)
        _publish(folder, ring)
    except OSError as error:
        # The store has it; the new key signs already, and the next start does what is left.
        log.error("the new signing key could not be put into its place: %s; restart Bruk", error)


def _move(source: Path, target: Path) -> None:
    os.replace(source, target)
    sync_folder(target.parent)


def _publish(folder: Path, ring: Keyring) -> None:
    draft = folder / f".{PUBLIC}.new"
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(ring.document(), file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    os.replace(draft, folder / PUBLIC)
    sync_folder(folder)
