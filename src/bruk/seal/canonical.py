"""Canonical JSON: one document, one sequence of bytes.

The form is that of RFC 8785 (JSON Canonicalization Scheme, https://www.rfc-editor.org/rfc/rfc8785),
restricted so that no number needs rounding:

* values are `null`, `true`, `false`, integers, strings, arrays and objects; a float is an error;
* integers lie within ±(2**53 - 1), the range every JSON reader keeps exactly (RFC 7493), written in decimal
  without leading zeros; a larger one is written as a string by the caller;
* object keys are strings, sorted by their UTF-16 code units (RFC 8785, section 3.2.3);
* strings are written as they are, in UTF-8, without Unicode normalisation; only `"`, `\\` and U+0000 to
  U+001F are escaped, the latter as `\\b \\t \\n \\f \\r` or else `\\u00xx` in lower case; a lone surrogate is
  an error;
* no white space, no byte order mark, nesting of at most 64 levels.

It must never repair what it is given: a reader that tolerates a second spelling lets a byte change unseen.
Look next at `chain`, which hashes these bytes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, NoReturn

from bruk.seal.errors import NotCanonical

INTEGER_MAX = 2**53 - 1
DEPTH_MAX = 64


def canonical_bytes(document: Any) -> bytes:
    """Return the canonical bytes of a document.

    :param document: None, bool, int, str, list or tuple, or a mapping with string keys, nested at most 64
        deep.
    :raises NotCanonical: for anything else, naming the path of the value.
    """
    try:
        return _dump(_ordered(document, "$", 0)).encode("utf-8")
    except UnicodeEncodeError as error:
        raise NotCanonical(
            f"A string holds the lone surrogate {error.object[error.start]!r}, which UTF-8 cannot carry."
            " Replace or remove it before the document is sealed."
        ) from error


def sha256_hex(data: bytes) -> str:
    """Return the SHA-256 of the bytes as 64 lower-case hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def digest(document: Any) -> str:
    """Return the SHA-256 of the document's canonical bytes as 64 lower-case hexadecimal digits.

    :raises NotCanonical: if the document has no canonical form.
    """
    return sha256_hex(canonical_bytes(document))


def parse_canonical(data: bytes) -> Any:
    """Return the document that these bytes are the canonical form of.

    :raises NotCanonical: if the bytes are no JSON, or JSON in any other spelling than the canonical one.
    """
    try:
        document = json.loads(data.decode("utf-8"), parse_float=_refuse_number, parse_constant=_refuse_number)
    except (ValueError, RecursionError) as error:
        raise NotCanonical(f"The bytes are not canonical JSON: {error}.") from error
    if canonical_bytes(document) != data:
        # This also finds duplicate keys: the reader keeps one of them, so the bytes differ.
        raise NotCanonical("The bytes are JSON, but not in canonical form; something rewrote them.")
    return document


def _dump(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def _refuse_number(text: str) -> NoReturn:
    raise ValueError(f"the number {text[:40]} is not an integer")


def _ordered(value: Any, path: str, depth: int) -> Any:
    """Return the value with every object's keys in canonical order, having checked every type on the way."""
    if value is None or isinstance(value, (str, bool)):
        return value
    if isinstance(value, int):
        if not -INTEGER_MAX <= value <= INTEGER_MAX:
            raise NotCanonical(f"The integer at {path} is beyond ±(2**53 - 1). Write it as a string.")
        return value
    if depth >= DEPTH_MAX:
        raise NotCanonical(f"The document is nested more than {DEPTH_MAX} levels deep at {path[:80]}.")
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise NotCanonical(f"The key {key!r} at {path} is no string.")
        return {key: _ordered(value[key], f"{path}.{key}", depth + 1) for key in sorted(value, key=_utf16)}
    if isinstance(value, (list, tuple)):
        return [_ordered(item, f"{path}[{index}]", depth + 1) for index, item in enumerate(value)]
    if isinstance(value, float):
        raise NotCanonical(
            f"The value at {path} is a float. Give an integer with its unit in the field's name."
        )
    raise NotCanonical(f"The value at {path} is of type {type(value).__name__}, which JSON does not know.")


def _utf16(key: str) -> bytes:
    # Big-endian bytes compare as code units do. A lone surrogate passes here and is refused when UTF-8 is
    # written.
    return key.encode("utf-16-be", "surrogatepass")
