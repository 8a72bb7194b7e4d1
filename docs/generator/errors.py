"""The page of errors: every code, its kind, its HTTP status, its exit status and its meaning."""

import importlib
import pkgutil
from collections.abc import Iterator

import bruk
from bruk.cli.exits import status_of
from bruk.gateway.problem import CODES, Refusal
from bruk.model.errors import BrukError, ErrorKind
from bruk.sdk.errors import SdkError
from bruk.wire.problem import HTTP_STATUS
from generator.source import first_sentence, table

LEFT_OUT = ("bruk.recipes", "bruk.__main__", "bruk.store.migrations", "bruk.engines.local.supervisor")
KINDS = {
    ErrorKind.INVALID: "The input is malformed or out of range; sending it again does not help.",
    ErrorKind.UNAUTHENTICATED: "Nobody knows who is asking.",
    ErrorKind.FORBIDDEN: "The caller is known, and may not.",
    ErrorKind.NOT_FOUND: "There is no such thing, or this caller may not see it.",
    ErrorKind.CONFLICT: "The thing is in a state that does not allow this.",
    ErrorKind.EXHAUSTED: "A budget, grant, quota or limit is used up.",
    ErrorKind.UNAVAILABLE: "Something that is needed is away; trying later may help.",
    ErrorKind.INTERNAL: "A defect or a damaged record.",
}
CLIENT_CODES = {
    "control_unreachable": "Nothing answers at the address of control. Exit status 7.",
    "not_bruk": "Something answers that is not this API, or another version of it. Exit status 1.",
    "digest_mismatch": "What was downloaded does not have the digest that it should. Exit status 1.",
    "waited_too_long": "What was waited for did not happen in time. Exit status 1.",
}
VERIFICATION_CODES = {
    "header_changed": "The first line of the export is not the one that was signed.",
    "truncated": "The file ends too early: its tail was cut off.",
    "trailing_bytes": "Something stands behind the end of the export.",
    "line_too_long": "A line is longer than any line of an export.",
    "entries_missing": "A known checkpoint proves more entries than the export has.",
    "checkpoint_contradicted": "A known checkpoint and the chain disagree: one of them was rewritten.",
}


def all_errors() -> list[type[BrukError]]:
    """Every error class of the package, by code and then by name."""
    for found in pkgutil.walk_packages(bruk.__path__, "bruk."):
        if not found.name.startswith(LEFT_OUT):
            importlib.import_module(found.name)

    def below(kind: type[BrukError]) -> Iterator[type[BrukError]]:
        yield kind
        for inner in kind.__subclasses__():
            yield from below(inner)

    own = {kind for kind in below(BrukError) if kind.__module__.startswith("bruk.")}
    return sorted(own, key=lambda kind: (kind.code, kind.__module__, kind.__name__))


def page() -> str:
    """The whole page."""
    rows = []
    for kind in all_errors():
        if kind in (Refusal, SdkError):
            continue  # Their codes have tables of their own, below.
        status = status_of(kind("")) if kind.__init__ is BrukError.__init__ else _exit_of(kind)
        rows.append(
            [
                f'<a id="{kind.code}"></a>`{kind.code}`',
                kind.kind.value,
                HTTP_STATUS[kind.kind],
                status,
                first_sentence(kind.__doc__),
                f"`{kind.__module__}.{kind.__name__}`",
            ]
        )
    return "\n".join(
        [
            "# Errors\n",
            "Every error that Bruk raises on purpose has a stable code, a kind, and a message that says what"
            " is wrong and what to do. The API answers with an RFC 9457 problem document"
            " (`application/problem+json`: `type`, `title`, `status`, `code`, `detail`, `about`); the gateway"
            " answers in OpenAI's error shape; the command line prints the message with the code in square"
            " brackets and ends with the exit status.\n",
            "## Kinds\n",
            table(
                ["Kind", "HTTP status of the API", "Meaning"],
                [[f"`{kind.value}`", HTTP_STATUS[kind], KINDS[kind]] for kind in ErrorKind],
            ),
            "## Codes\n",
            "HTTP status and exit status are those that follow from the kind, where an error reaches that"
            " door; several are only ever seen in logs or at the command line.\n",
            table(["Code", "Kind", "HTTP", "Exit", "Meaning", "Raised as"], rows),
            "## Codes of the client\n",
            "Raised by the Python client and the command line, where control gave no code of its own.\n",
            table(["Code", "Meaning"], [[f"`{code}`", text] for code, text in CLIENT_CODES.items()]),
            "## Codes of verification\n",
            "What `bruk audit verify`, `bruk receipt verify` and `bruk invoice verify` may find beside the"
            " codes above; with `--json` in `problem.code`. The exit status is 8.\n",
            table(["Code", "Meaning"], [[f"`{code}`", text] for code, text in VERIFICATION_CODES.items()]),
            "## Codes of the gateway\n",
            'The gateway answers `{"error": {"message", "type", "param", "code"}}`, and every answer carries'
            " an `x-request-id`. An error in the middle of a stream arrives as an event of the same shape.\n",
            table(
                ["Code", "HTTP", "Type", "What to do"],
                [
                    [f"`{code}`", status, f"`{kind}`", advice]
                    for code, (status, kind, advice) in CODES.items()
                ],
            ),
        ]
    )


def _exit_of(kind: type[BrukError]) -> int:
    """The exit status of an error whose constructor asks for more than a message."""
    bare = BrukError("")
    bare.code, bare.kind = kind.code, kind.kind
    return status_of(bare)
