"""Lists as pages: items, and where the next page begins."""

from collections.abc import Callable, Sequence
from typing import Annotated, Generic, TypeVar

from fastapi import Depends, Query
from pydantic import BaseModel

from bruk.model.errors import InvalidInput

T = TypeVar("T")


class Page(BaseModel, Generic[T]):
    """One page of a list. ``next`` is what to send as ``after``, or null at the end."""

    items: list[T]
    next: str | None = None


class Window(BaseModel):
    """Which part of a list is asked for."""

    limit: Annotated[int, Query(ge=1, le=1000)] = 100
    after: Annotated[str, Query(max_length=300)] = ""


def _window(
    limit: Annotated[int, Query(ge=1, le=1000)] = 100, after: Annotated[str, Query(max_length=300)] = ""
) -> Window:
    return Window(limit=limit, after=after)


WindowOf = Annotated[Window, Depends(_window)]


def page_of(items: Sequence[T], window: Window, cursor: Callable[[T], str]) -> Page[T]:
    """The asked page of a whole list.

    Raises:
        InvalidInput: ``after`` is not in the list.
    """
    start = 0
    if window.after:
        places = [index for index, item in enumerate(items) if cursor(item) == window.after]
        if not places:
            raise InvalidInput(f"'after' names nothing in this list: {window.after!r}", field="after")
        start = places[0] + 1
    chosen = list(items[start : start + window.limit])
    more = start + window.limit < len(items)
    return Page[T](items=chosen, next=cursor(chosen[-1]) if more else None)


def number_after(window: Window) -> int:
    """``after`` as a sequence number.

    Raises:
        InvalidInput: it is none.
    """
    if not window.after:
        return 0
    if not window.after.isdecimal() or len(window.after) > 18:
        raise InvalidInput("'after' is a sequence number here", field="after")
    return int(window.after)
