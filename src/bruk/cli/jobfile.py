"""A job as a TOML file, or as options, turned into the request that submits it.

The file's fields are those of a job, with quantities as people write them (``time_limit = "2h"``)
beside the exact ones (``time_limit_s = 7200``). A field that nobody knows is refused with the
nearest that somebody does: a misspelled limit must not silently be no limit.
"""

import difflib
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bruk.cli.quantity import duration_s, moment_ms, size_bytes
from bruk.model.errors import InvalidInput, NotFound
from bruk.model.workload import JobSpec, Resources, Software

if TYPE_CHECKING:
    from bruk.wire.requests import JobBody

FILE_BYTES_MAX = 1 << 20

# A name of many parts; the reader's time grows with the square of their number.
_PART = r"""(?:[A-Za-z0-9_-]+|"[^"\n]*"|'[^'\n]*')"""
_LONG_NAME = re.compile(rf"(?:^|[\[{{,])[ \t]*(?:{_PART}[ \t]*\.[ \t]*){{32}}", re.MULTILINE)

# What people write, the exact field that it sets, and how it is read.
SPEC_QUANTITIES: dict[str, tuple[str, Callable[[str], int]]] = {
    "time_limit": ("time_limit_s", duration_s),
    "grace": ("grace_s", duration_s),
    "disk": ("disk_bytes", size_bytes),
    "deadline": ("deadline_at_ms", moment_ms),
}
RESOURCE_QUANTITIES: dict[str, tuple[str, Callable[[str], int]]] = {"memory": ("memory_bytes", size_bytes)}
BODY_FIELDS = ("project", "name", "priority")
SPEC_FIELDS = tuple(item.name for item in fields(JobSpec))
# No engine shares a device between runs yet, so no job can ask for a part of one.
RESOURCE_FIELDS = tuple(item.name for item in fields(Resources) if item.name != "device_milli")
SOFTWARE_FIELDS = tuple(item.name for item in fields(Software))


def read(path: Path) -> dict[str, Any]:
    """The request that a job file means, not yet checked as a whole.

    Raises:
        NotFound: there is no such file.
        InvalidInput: it is no TOML, or holds a field that no job has.
    """
    try:
        with path.open("rb") as file:
            data = file.read(FILE_BYTES_MAX + 1)
    except FileNotFoundError:
        raise NotFound(
            f"There is no job file {path}. Name one, or a command after --, like 'bruk submit -- python a.py'"
        ) from None
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror or error}") from None
    if len(data) > FILE_BYTES_MAX:
        raise InvalidInput(f"{path} is larger than {FILE_BYTES_MAX} bytes and is no job file")
    try:
        return parse(data.decode("utf-8"))
    except UnicodeDecodeError:
        raise InvalidInput(f"{path} is not UTF-8 text") from None
    except InvalidInput as error:
        raise InvalidInput(f"{path}: {error.message}") from None


def parse(text: str) -> dict[str, Any]:
    """The request that the text of a job file means. Raises as :func:`read`."""
    if _LONG_NAME.search(text):
        raise InvalidInput("a name in it has more than 32 parts; no field of a job lies so deep")
    try:
        table = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise InvalidInput(f"this is not TOML: {error}") from None
    check_known(table, (*BODY_FIELDS, *SPEC_FIELDS, *SPEC_QUANTITIES), "the job")
    for name, known in (
        ("resources", (*RESOURCE_FIELDS, *RESOURCE_QUANTITIES)),
        ("software", SOFTWARE_FIELDS),
    ):
        inner = table.get(name)
        if isinstance(inner, dict):
            check_known(inner, known, f"[{name}]")
            table[name] = _exact(inner, RESOURCE_QUANTITIES if name == "resources" else {})
    body = {name: table.pop(name) for name in BODY_FIELDS if name in table}
    return {**body, "spec": _exact(table, SPEC_QUANTITIES)}


def check_known(table: Mapping[str, Any], known: tuple[str, ...], where: str) -> None:
    """Refuse a table with a field that is not known, naming the nearest that is.

    Raises:
        InvalidInput: there is one.
    """
    for name in table:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"
            raise InvalidInput(f"{where} has no field {name!r}; {hint}")


def overlay(request: dict[str, Any], given: Mapping[str, Any]) -> None:
    """Put what was given over a request, table by table; None means not given."""
    for name, value in given.items():
        if isinstance(value, Mapping) and name != "config":
            inner = request.setdefault(name, {})
            if not isinstance(inner, dict):
                raise InvalidInput(
                    f"{name!r} must be a table: write [{name}] on a line of its own above its fields"
                )
            overlay(inner, value)
        elif value is not None:
            request[name] = value


def job_body(request: Mapping[str, Any]) -> "JobBody":
    """The checked request.

    Raises:
        InvalidInput: a field is missing or out of its bounds, or there is not exactly one of a
            command and a recipe.
    """
    from pydantic import ValidationError

    from bruk.cli.request import in_words
    from bruk.wire.requests import JobBody

    spec = request.get("spec") or {}
    if not spec.get("command") and not spec.get("recipe"):
        raise InvalidInput(
            "What is to run? Name a job file ('bruk submit job.toml'), put a command after --, like "
            "'bruk submit --name train -- python train.py', or give --recipe."
        )
    if spec.get("command") and spec.get("recipe"):
        raise InvalidInput("A job runs a command or a recipe, not both: leave one of them out.")
    try:
        return JobBody.model_validate({**request, "name": request.get("name") or _name_of(spec)})
    except ValidationError as error:
        raise InvalidInput(f"The job cannot be submitted: {in_words(error)}") from None


def _name_of(spec: Mapping[str, Any]) -> str:
    """A name for a job that was given none: that of its script, its program or its recipe."""
    command = [str(word) for word in spec.get("command") or [spec["recipe"]]]
    script = next((word for word in command if word.endswith((".py", ".sh"))), command[0])
    words = re.sub(r"[^a-z0-9]+", "-", Path(script).stem.lower())
    return words[:60].strip("-") or "job"


def pairs(texts: list[str], what: str) -> dict[str, str]:
    """Options of the form NAME=VALUE.

    Raises:
        InvalidInput: one has no ``=``, or a name comes twice.
    """
    found: dict[str, str] = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not sign or not name:
            raise InvalidInput(f"{what} {text!r} is not of the form NAME=VALUE")
        if name in found:
            raise InvalidInput(f"{what} {name!r} is given twice")
        found[name] = value
    return found


def _exact(
    table: Mapping[str, Any], quantities: Mapping[str, tuple[str, Callable[[str], int]]]
) -> dict[str, Any]:
    """The table with what people write replaced by the exact fields."""
    exact = {name: value for name, value in table.items() if name not in quantities}
    for name, (field, reader) in quantities.items():
        if name not in table:
            continue
        if field in exact:
            raise InvalidInput(f"{name!r} and {field!r} say the same; keep one of them")
        value = table[name]
        if hasattr(value, "isoformat"):
            value = value.isoformat()
        if not isinstance(value, str):
            raise InvalidInput(f"{name} is written as text with its unit; for a bare number use {field!r}")
        exact[field] = reader(value)
    return exact
