"""The contract of a run as a recipe sees it: environment, folders, configuration, progress.

Nothing here knows of Bruk; a program that reads these variables by itself is just as good a job.
When a variable is missing, because the recipe is run by hand, a place next to the configuration
file is taken instead.

Environment: ``BRUK_RUN_ID``, ``BRUK_CHECKPOINT_DIR``, ``BRUK_DATA_DIR``, ``BRUK_OUTPUT_DIR``,
``BRUK_PROGRESS_FILE``, and torchrun's ``RANK``, ``LOCAL_RANK``, ``WORLD_SIZE``.
"""

import dataclasses
import json
import os
import signal
import sys
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO, TypeVar

EXIT_FAILED = 1
EXIT_BAD_INPUT = 2
EXIT_INTERRUPTED = 128 + signal.SIGTERM  # 143, as a shell reports a program ended by SIGTERM.

Config = TypeVar("Config")


class RecipeError(Exception):
    """Input or configuration that the recipe cannot work with; the message says what to do."""


class Interrupted(Exception):
    """SIGTERM came and a checkpoint has been written."""


@dataclass(frozen=True)
class Place:
    """Where a run reads and writes, and which process of it this is."""

    run_id: str
    checkpoint_dir: Path
    data_dir: Path
    output_dir: Path
    progress_file: Path
    rank: int = 0
    local_rank: int = 0
    world_size: int = 1

    @classmethod
    def from_environment(cls, config_file: Path, environ: Mapping[str, str]) -> "Place":
        """Read the run's place; what is missing lies next to the configuration file.

        Raises
        ------
        RecipeError
            When one of torchrun's variables is not a number.
        """
        base = config_file.resolve().parent

        def folder(variable: str, default: str) -> Path:
            return Path(environ[variable]) if environ.get(variable) else base / default

        def number(variable: str, default: int) -> int:
            try:
                return int(environ.get(variable) or default)
            except ValueError as error:
                raise RecipeError(f"{variable} is {environ[variable]!r}, not a number") from error

        return cls(
            run_id=environ.get("BRUK_RUN_ID") or "by-hand",
            checkpoint_dir=folder("BRUK_CHECKPOINT_DIR", "checkpoints"),
            data_dir=folder("BRUK_DATA_DIR", "data"),
            output_dir=folder("BRUK_OUTPUT_DIR", "output"),
            progress_file=folder("BRUK_PROGRESS_FILE", "progress.jsonl"),
            rank=number("RANK", 0),
            local_rank=number("LOCAL_RANK", 0),
            world_size=number("WORLD_SIZE", 1),
        )

    def input(self, name: str) -> Path:
        """Return the path of a named input.

        Raises
        ------
        RecipeError
            When the run has no such input.
        """
        path = self.data_dir / name
        if not path.exists():
            raise RecipeError(
                f"there is no input {name!r} at {path}; name it among the job's inputs, or put it there"
            )
        return path


def read_config(path: Path, shape: type[Config], presets: Path | None = None) -> Config:
    """Read a JSON file into a frozen dataclass; unknown fields and wrong types are refused.

    A dataclass that is a field's type is read from a nested object. Where the recipe has presets,
    a field ``preset`` names the one whose fields hold unless the file gives them itself.

    Raises
    ------
    RecipeError
        When the file cannot be read, is not a JSON object, or does not fit the shape.
    """
    values = _read_object(path)
    preset = values.get("preset")
    if presets is not None and preset is not None:
        values = _over(_read_preset(presets, preset), values)
    return _fill(shape, values, where=str(path))


def _read_object(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RecipeError(f"cannot read the configuration: {error}") from error
    except (ValueError, RecursionError) as error:
        raise RecipeError(f"{path} is not JSON: {error}") from error
    if not isinstance(values, dict):
        raise RecipeError(f"{path}: an object is needed, not {type(values).__name__}")
    return values


def _read_preset(presets: Path, name: object) -> dict[str, Any]:
    known = {path.stem: path for path in presets.glob("*.json")}
    if not isinstance(name, str) or name not in known:
        raise RecipeError(f"there is no preset {name!r}; there are {', '.join(sorted(known))}")
    return _read_object(known[name])


def _over(base: dict[str, Any], values: dict[str, Any]) -> dict[str, Any]:
    """Return base with values laid over it, nested objects field by field."""
    merged = dict(base)
    for name, value in values.items():
        both = isinstance(value, dict) and isinstance(base.get(name), dict)
        merged[name] = _over(base[name], value) if both else value
    return merged


def _fill(shape: type[Config], values: Any, where: str) -> Config:
    if not isinstance(values, dict):
        raise RecipeError(f"{where}: an object is needed, not {type(values).__name__}")
    assert dataclasses.is_dataclass(shape), "a configuration is a dataclass"
    types_of = typing.get_type_hints(shape)
    known = {field.name for field in dataclasses.fields(shape)}
    if unknown := sorted(set(values) - known):
        raise RecipeError(f"{where}: unknown field {unknown[0]!r}; the fields are {', '.join(sorted(known))}")
    filled = {name: _value(types_of[name], value, f"{where}: {name}") for name, value in values.items()}
    try:
        return shape(**filled)
    except (TypeError, ValueError) as error:
        raise RecipeError(f"{where}: {error}") from error


def _value(wanted: Any, value: Any, where: str) -> Any:
    if dataclasses.is_dataclass(wanted) and isinstance(wanted, type):
        return _fill(wanted, value, where)
    if typing.get_origin(wanted) in (types.UnionType, typing.Union):
        allowed: tuple[Any, ...] = typing.get_args(wanted)
    else:
        allowed = (wanted,)
    plain = tuple(typing.get_origin(kind) or kind for kind in allowed)
    if isinstance(value, bool) and bool not in plain:
        fits = False
    elif isinstance(value, int) and float in plain and int not in plain:
        return float(value)
    else:
        fits = isinstance(value, plain)
    if not fits:
        names = " or ".join("null" if k is types.NoneType else k.__name__ for k in plain)
        raise RecipeError(f"{where} must be {names}, not {json.dumps(value)[:60]}")
    return value


class Progress:
    """Appends one JSON object per line to the progress file, flushed; only rank 0 writes."""

    def __init__(self, place: Place) -> None:
        self._file: TextIO | None = None
        if place.rank == 0:
            place.progress_file.parent.mkdir(parents=True, exist_ok=True)
            self._file = place.progress_file.open("a", encoding="utf-8")

    def write(self, phase: str, **fields: Any) -> None:
        """Append a line ``{"phase": phase, **fields}`` and show it on standard output."""
        if self._file is None:
            return
        self._file.write(json.dumps({"phase": phase, **fields}) + "\n")
        self._file.flush()
        shown = " ".join(f"{name}={value}" for name, value in fields.items())
        print(f"{phase}: {shown}", flush=True)


class Interruption:
    """Notes SIGTERM, so that the work can stop at the next safe point."""

    def __init__(self) -> None:
        self.asked = False
        signal.signal(signal.SIGTERM, self._note)

    def _note(self, _number: int, _frame: types.FrameType | None) -> None:
        self.asked = True


def run_recipe(name: str, work: Callable[[Path, Place], None]) -> int:
    """Run a recipe's work with the configuration file named on the command line.

    Returns
    -------
    The exit status: 0 done, 2 bad configuration or input, 143 interrupted after a checkpoint.
    """
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        print(f"usage: python -m bruk.recipes.{name} config.json", file=sys.stderr)
        return EXIT_BAD_INPUT
    config_file = Path(sys.argv[1])
    # Threads of OpenMP otherwise spin while they wait, which on shared cores makes every process
    # several times slower. It is read when PyTorch is loaded, so that it must be set before.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    try:
        work(config_file, Place.from_environment(config_file, os.environ))
    except RecipeError as error:
        print(f"bruk {name}: {' '.join(str(error).split())}", file=sys.stderr)
        return EXIT_BAD_INPUT
    except Interrupted as reason:
        print(f"bruk {name}: {reason}", file=sys.stderr)
        return EXIT_INTERRUPTED
    except OSError as error:
        print(f"bruk {name}: {error}", file=sys.stderr)
        return EXIT_FAILED
    return 0
