"""Whether the records of a store hold together: chains, the signatures that name them, the accounts.

It only reads, and needs no running control, so that a backup, a restore and the doctor ask the same.
Look next at ``seal`` for what a chain is and at ``evidence`` for what others verify elsewhere.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from bruk.model.errors import BrukError
from bruk.seal import Checkpoint, Head, Keyring, SealError, SignedDocument, check_next, empty_head
from bruk.store import money, records
from bruk.store import switch as switch_store
from bruk.store.database import Connection


class RecordsBroken(BrukError):
    """The ledger or the audit log was changed, cut or signed by a key that is not trusted."""

    code = "records_broken"


@dataclass(frozen=True, slots=True)
class Proof:
    """What was verified.

    Attributes:
        heads: where each chain ends.
        documents: receipts and invoices whose signature and checkpoint fit.
    """

    heads: tuple[Head, ...]
    documents: int


def prove(connection: Connection, keyring: Keyring, known: tuple[Checkpoint, ...] = ()) -> Proof:
    """Check every entry of both chains, and every signed document that names one.

    Args:
        known: checkpoints from elsewhere that must agree.

    Raises:
        RecordsBroken: something does not fit; the message names the entry or the document.
    """
    named: dict[tuple[str, int], tuple[str, str]] = {}
    documents = 0
    for what, checkpoint in [
        *_documents(connection, keyring),
        *(("a known checkpoint", item) for item in known),
    ]:
        documents += 1
        try:
            checkpoint.check(keyring)
        except SealError as error:
            raise RecordsBroken(f"{what} cannot be trusted: {error.message}") from error
        named[checkpoint.chain, checkpoint.seq] = (checkpoint.hash, what)
    heads = tuple(_walk(connection, chain, named) for chain in (records.AUDIT, records.LEDGER))
    for head in heads:
        beyond = [
            (seq, what) for (chain, seq), (_, what) in named.items() if chain == head.chain and seq > head.seq
        ]
        if beyond:
            seq, what = max(beyond)
            raise RecordsBroken(
                f"the {head.chain} ends with entry {head.seq}, but {what} proves {seq}: entries were cut off",
                chain=head.chain,
                seq=head.seq,
            )
    return Proof(heads, documents - len(known))


def _walk(connection: Connection, chain: str, named: dict[tuple[str, int], tuple[str, str]]) -> Head:
    head = empty_head(chain)
    for entry in records.chain(connection, chain):
        try:
            head = check_next(head, entry)
        except SealError as error:
            raise RecordsBroken(
                f"entry {head.seq + 1} of the {chain} was changed or does not follow: {error.message}",
                chain=chain,
                seq=head.seq + 1,
            ) from error
        expected = named.get((chain, head.seq))
        if expected is not None and expected[0] != head.hash:
            raise RecordsBroken(
                f"entry {head.seq} of the {chain} is not the one that {expected[1]} names: it was rewritten",
                chain=chain,
                seq=head.seq,
            )
    return head


def _documents(connection: Connection, keyring: Keyring) -> Iterator[tuple[str, Checkpoint]]:
    found = [(f"invoice {row.number}", row.document) for row in money.invoices(connection)]
    found += [
        (f"receipt {row.id}", row.document) for row in switch_store.receipts(connection) if row.document
    ]
    for what, document in found:
        try:
            signed = SignedDocument.from_document(document)
            signed.check(keyring)
            checkpoint = signed.checkpoint
        except SealError as error:
            raise RecordsBroken(f"{what} does not verify: {error.message}") from error
        if checkpoint is not None:
            yield what, checkpoint


def accounts_that_differ(connection: Connection) -> dict[str, tuple[int, int]]:
    """Projects whose account is not what the ledger adds up to: (account, ledger) [EUR * 1e-6]."""
    sums = records.sums_by_project(connection)
    spent = {project: account.spent_microeur for project, account in money.accounts(connection).items()}
    return {
        project: (spent.get(project, 0), sums.get(project, 0))
        for project in sorted({*sums, *spent})
        if spent.get(project, 0) != sums.get(project, 0)
    }
