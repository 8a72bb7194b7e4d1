"""Whatever a request has wrong is said in words: none of the validator's own, none of its expressions."""

from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from bruk.cli.request import in_words
from bruk.wire import access, codec, requests
from bruk.wire.agent import Shape
from bruk.wire.requests import JobBody

SHAPES = sorted(
    {
        item
        for module in (access, requests)
        for item in vars(module).values()
        if isinstance(item, type) and issubclass(item, Shape) and item is not Shape
    },
    key=lambda shape: shape.__name__,
)
BAD: list[Any] = [
    *(None, True, 1.5, -1, 10**20, "", "A B", "x\0y", "a\tb", "x" * 300_000, b"\xff"),
    *([], {}, ["A B"], ["a"] * 2000, {"1 a": "x"}, {"a": 1}, [{"watts": -1}], {"nodes": 0}),
]
FOREIGN = ("Input should", "String should", "Value error", "Field required", "pattern", "pydantic", "[key]")
FOREIGN_PLACES = ("constrained-str", "literal[", "function-after", "List should")


def _faults(shape: type[BaseModel], given: dict[str, Any]) -> ValidationError | None:
    try:
        shape.model_validate(given)
    except ValidationError as error:
        return error
    return None


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.__name__)
def test_every_fault_of_every_request_is_said_in_words(shape: type[BaseModel]) -> None:
    given = [{name: value} for name in [*shape.model_fields, "no_such_field"] for value in BAD]
    if shape is JobBody:
        fields = requests.JobSpecBody.model_fields
        given += [{"name": "a", "spec": {name: value}} for name in fields for value in BAD]
    errors = [error for each in given if (error := _faults(shape, each)) is not None]
    assert errors, "something is refused"
    for error in errors:
        for said in (codec.explain(error), in_words(error)):
            assert said
            assert not [word for word in (*FOREIGN, *FOREIGN_PLACES) if word in said], said
            assert "cannot be used as it is" not in said, f"{said}: {error.errors()[0]['type']}"
            assert len(said) < 2000


def test_an_api_hears_its_fields_and_a_person_their_options() -> None:
    error = _faults(access.InspectionBody, {"project": "a/b", "reason": "r", "life_ms": 3_240_000_000})
    assert error is not None
    assert codec.explain(error) == "life_ms must be at most 86,400,000"
    assert in_words(error) == "--for must be at most 1 d 00 h"


def test_a_value_that_is_no_name_is_quoted_and_no_other() -> None:
    error = _faults(JobBody, {"name": "j", "spec": {"secrets": ["1x"], "env": {"A": "hidden\0"}}})
    assert error is not None
    assert "'1x' is no name of a variable" in codec.explain(error)
    assert "hidden" not in codec.explain(error)
