"""Domain dataclasses to JSON and back, through Pydantic's type adapters.

The domain knows nothing of Pydantic; the one thing that a field's type cannot say is said here: a
workload's specification has the shape that its kind names, never one that happens to fit.
"""

from functools import cache
from typing import Any, TypeVar, cast

from pydantic import BaseModel, GetCoreSchemaHandler, TypeAdapter, ValidationError
from pydantic_core import CoreSchema, core_schema

from bruk.model.errors import InvalidInput
from bruk.model.workload import EndpointSpec, JobSpec, Workload, WorkloadKind
from bruk.wire import words

T = TypeVar("T")
B = TypeVar("B", bound=BaseModel)
SPEC_OF_KIND: dict[WorkloadKind, type] = {
    WorkloadKind.JOB: JobSpec,
    WorkloadKind.ENDPOINT: EndpointSpec,
}


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


def _choose_spec(data: object) -> object:
    if not isinstance(data, dict):
        return data
    kinds = {kind.value: kind for kind in WorkloadKind}
    kind = kinds.get(str(data.get("kind", "")))
    if kind is None or "spec" not in data:
        return data  # The dataclass's own schema names what is wrong.
    try:
        return {**data, "spec": _adapter(SPEC_OF_KIND[kind]).validate_python(data["spec"])}
    except ValidationError as error:
        raise ValueError(f"the spec of this {kind.value}: {explain(error)}") from None


def _workload_schema(cls: type[Workload], source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
    return core_schema.no_info_before_validator_function(_choose_spec, handler(source))


# Pydantic asks a class for this wherever it stands, so workloads within other shapes are covered too.
Workload.__get_pydantic_core_schema__ = classmethod(_workload_schema)  # type: ignore[attr-defined]


def body(shape: type[B], **values: object) -> B:
    """A request body of the given values.

    Raises:
        InvalidInput: a value is out of its bounds; the message names it.
    """
    try:
        return shape(**values)
    except ValidationError as error:
        raise InvalidInput(explain(error)) from None


def explain(error: ValidationError) -> str:
    """The first few faults of a validation error as one line for people."""
    return words.explain(error.errors(include_url=False))
