"""Starting a gateway process where it cannot start."""

import asyncio
import socket

import pytest

from bruk.gateway.problem import CODES
from bruk.journal import JournalLocked
from bruk.model.errors import InvalidInput

from .conftest import World


@pytest.mark.parametrize(
    "listen", ["", "8611", "127.0.0.1:", "127.0.0.1:http", "127.0.0.1:70000", "256.0.0.1:1"]
)
def test_an_address_that_is_none(idle_world: World, listen: str) -> None:
    with pytest.raises(InvalidInput, match="listen"):
        asyncio.run(idle_world.make_gateway().run(listen))


def test_a_port_that_is_taken(idle_world: World) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(InvalidInput, match="another port"):
        asyncio.run(idle_world.make_gateway().run(f"127.0.0.1:{taken.getsockname()[1]}"))


def test_two_processes_in_one_home(world: World) -> None:
    with pytest.raises(JournalLocked):
        asyncio.run(world.make_gateway().run("127.0.0.1:0"))


def test_every_refusal_has_a_status_and_advice() -> None:
    for status, kind, advice in CODES.values():
        assert 400 <= status < 600
        assert kind
        assert advice.endswith(".")
