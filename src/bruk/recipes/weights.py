"""What a model's folder must be before anything loads it: data, never code.

Weights are safetensors; pickled weights, Python files and configurations that name code of their
own are refused. This module must never import PyTorch or transformers: it runs before them.
"""

import hashlib
import json
from pathlib import Path

from .run import RecipeError

# Formats that can run code when loaded, or that this house does not serve.
REFUSED_SUFFIXES = frozenset(
    {".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".h5", ".msgpack", ".gguf", ".py", ".so"}
)
CONFIG_FILES = ("config.json", "tokenizer_config.json", "processor_config.json", "generation_config.json")


def check_model_folder(folder: Path) -> Path:
    """Return the folder if it holds a model that is safe to load.

    Raises
    ------
    RecipeError
        When a file is missing, is of a refused kind, or names code to be run.
    """
    if not (folder / "config.json").is_file():
        raise RecipeError(f"{folder} is not a model: it has no config.json")
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in REFUSED_SUFFIXES:
            raise RecipeError(
                f"the model holds {path.name}, which may run code; only safetensors are loaded: "
                "save it with save_pretrained(..., safe_serialization=True)"
            )
    weights = sorted(folder.glob("*.safetensors"))
    if not weights:
        raise RecipeError(f"the model in {folder} has no safetensors weights")
    for path in weights:
        _check_header(path)
    for name in CONFIG_FILES:
        if (folder / name).is_file() and "auto_map" in _object(folder / name):
            raise RecipeError(f"{name} of the model names code of its own (auto_map); it is refused")
    return folder


def model_digest(folder: Path) -> str:
    """SHA-256 over the names and contents of a model's files, in the order of their names."""
    digest = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        with path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
        digest.update(f"{path.relative_to(folder).as_posix()}\0{content}\n".encode())
    return f"sha256:{digest.hexdigest()}"


def _check_header(path: Path) -> None:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy"):
            pass
    except (SafetensorError, OSError) as error:
        raise RecipeError(f"{path.name} is not a whole safetensors file: {error}") from error


def _object(path: Path) -> dict[str, object]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise RecipeError(f"{path} is not JSON: {error}") from error
    if not isinstance(values, dict):
        raise RecipeError(f"{path} is not a JSON object")
    return values
