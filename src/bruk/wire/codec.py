"""Domain dataclasses to JSON and back, through Pydantic's type adapters."""

from functools import cache
from typing import Any, TypeVar, cast

from pydantic import TypeAdapter, ValidationError

from bruk.model.errors import InvalidInput

T = TypeVar("T")


@cache
def _adapter(shape: Any) -> TypeAdapter[Any]:
    return TypeAdapter(shape)


def dump(value: object) -> Any:
    """A dataclass (or a list of them) as JSON-serialisable Python values."""
    if isinstance(value, list | tuple):
        return [dump(item) for item in value]
    shape: Any = type(value)
    return _adapter(shape).dump_python(value, mode="json")


def load(shape: type[T], data: object) -> T:
    """Read a dataclass of the given shape from JSON-decoded values.

    Raises:
        InvalidInput: a field is missing, unknown in type, or out of its enumeration; the message
            names the first such field.
    """
    adapter = _adapter(cast(Any, shape))
    try:
        return cast(T, adapter.validate_python(data))
    except ValidationError as error:
        raise InvalidInput(f"{shape.__name__}: {explain(error)}") from None


def explain(error: ValidationError) -> str:
    """The first few faults of a validation error as one line for people."""
    faults = [
        f"{'.'.join(str(part) for part in fault['loc']) or 'body'}: {fault['msg']}"
        for fault in error.errors(include_url=False, include_input=False)[:3]
    ]
    return "; ".join(faults)
