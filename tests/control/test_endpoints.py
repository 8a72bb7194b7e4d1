"""Servers that already run: who may attach them, which, and what a gateway hears of them."""

import pytest

from bruk.control import endpoints, secrets, switch
from bruk.model import egress
from bruk.model.errors import Conflict, Forbidden, InvalidInput, NotFound
from bruk.model.switch import HoldScope
from bruk.model.tenant import Actor, Role
from bruk.wire.gateway import ModelRoute
from bruk.wire.requests import AttachBody

from .world import Gateway, World

URL = "http://models.example:8000/v1"
ADMIN = Actor("user", "user_admin", Role.TENANT_ADMIN, "acme")


def body(**more: object) -> AttachBody:
    said = {"project": "acme/lab", "name": "chat", "model": "mistral", "url": URL, "site": "essonne", **more}
    return AttachBody.model_validate(said)


@pytest.fixture
def gateway(world: World) -> Gateway:
    world.control.attachable = (egress.parse("models.example:8000"),)
    return world.add_gateway("gw", "essonne")


def route(gateway: Gateway) -> ModelRoute | None:
    return next((model for model in gateway.sync().models if model.name == "chat"), None)


def test_an_attached_server_is_the_one_replica(world: World, gateway: Gateway) -> None:
    made = endpoints.attach(world.control, world.operator, body(served_name="org/Mistral", context_tokens=32))
    found = route(gateway)
    assert found is not None
    assert (found.model, found.upstream_model, found.context_tokens) == ("mistral", "org/Mistral", 32)
    (replica,) = found.replicas
    assert (replica.run, replica.site, replica.address, replica.key) == (made.id, "essonne", URL, "")
    world.step()
    assert not world.runs(made), "the scheduler starts nothing for it"
    endpoints.remove(world.control, world.operator, "chat")
    assert route(gateway) is None


def test_its_key_is_a_secret_of_the_project(world: World, gateway: Gateway) -> None:
    with pytest.raises(NotFound, match="bruk secret set"):
        endpoints.attach(world.control, world.operator, body(key_secret="SERVER_KEY"))
    secrets.put(world.control, ADMIN, "acme/lab", "SERVER_KEY", "theirs")
    endpoints.attach(world.control, world.operator, body(key_secret="SERVER_KEY"))
    found = route(gateway)
    assert found is not None
    assert [replica.key for replica in found.replicas] == ["theirs"]
    secrets.remove(world.control, ADMIN, "acme/lab", "SERVER_KEY")
    found = route(gateway)
    assert found is not None
    assert found.replicas == [], "without its key it is not called"


def test_it_has_the_price_of_its_model_and_none_without(world: World, gateway: Gateway) -> None:
    endpoints.attach(world.control, world.operator, body())
    found = route(gateway)
    assert found is not None
    assert found.price_in is not None, "the price of all others"
    world.set_price("tokens_in", "mistral", 77)
    found = route(gateway)
    assert found is not None
    assert found.price_in is not None
    assert found.price_in.price_microeur == 77


@pytest.mark.parametrize(
    "url",
    [
        "http://other.example:8000",
        "http://models.example:8001",
        "http://models.example",
        "http://127.0.0.1:8000",
    ],
)
def test_what_the_machine_does_not_allow_is_refused(world: World, gateway: Gateway, url: str) -> None:
    with pytest.raises(InvalidInput, match="BRUK_ATTACH"):
        endpoints.attach(world.control, world.operator, body(url=url))


@pytest.mark.parametrize(
    "url",
    [
        *("", "models.example:8000", "ftp://models.example:8000", "http://u:p@models.example:8000"),
        *(
            "http://models.example:8000?x=1",
            "http://models.example:99999",
            "http://[::1",
            "http://2130706433:8000",
        ),
        "http://möbel.example:8000",
    ],
)
def test_what_is_no_address_is_refused(world: World, gateway: Gateway, url: str) -> None:
    with pytest.raises(InvalidInput):
        endpoints.attach(world.control, world.operator, body(url=url))


def test_only_the_operator_attaches_and_no_registered_model(world: World, gateway: Gateway) -> None:
    with pytest.raises(Forbidden):
        endpoints.attach(world.control, ADMIN, body())
    endpoints.attach(world.control, world.operator, body())
    with pytest.raises(Conflict, match="already"):
        endpoints.attach(world.control, world.operator, body())
    with pytest.raises(Conflict, match="no replicas"):
        endpoints.scale(world.control, world.operator, "chat", 2)
    world.passed("own")
    with pytest.raises(Conflict, match="registry"):
        endpoints.attach(world.control, world.operator, body(name="other", model="own"))


def test_a_hold_on_its_model_reaches_the_gateway(world: World, gateway: Gateway) -> None:
    endpoints.attach(world.control, world.operator, body())
    switch.off(world.control, world.operator, HoldScope.MODEL, "mistral", "a test")
    assert [hold.target for hold in gateway.sync().holds] == ["mistral"]
