"""Bytes in and out without holding them whole: uploads into the blob store, downloads from it."""

from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from typing import BinaryIO, TypeVar

import anyio
from fastapi import Request
from starlette.concurrency import run_in_threadpool

from bruk.control.blobs import CHUNK_BYTES

T = TypeVar("T")


async def take(request: Request, keep: Callable[[Iterable[bytes]], T]) -> T:
    """Run ``keep`` in a thread, feeding it the request's body as it arrives."""
    stream: AsyncIterator[bytes] = request.stream().__aiter__()

    async def following() -> bytes | None:
        return await anext(stream, None)

    def chunks() -> Iterator[bytes]:
        while (chunk := anyio.from_thread.run(following)) is not None:
            yield chunk

    return await run_in_threadpool(keep, chunks())


def give(file: BinaryIO) -> Iterator[bytes]:
    """A file's bytes in pieces, closed at the end."""
    with file:
        while chunk := file.read(CHUNK_BYTES):
            yield chunk
