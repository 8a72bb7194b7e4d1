"""A secret reaches the run that names it, and nobody else."""

import json
from pathlib import Path

import pytest

from bruk.control import jobs, secrets
from bruk.control.estimate import estimate
from bruk.control.vault import SecretsUnreadable, Vault
from bruk.model.errors import Forbidden, InvalidInput, NotFound
from bruk.model.tenant import Actor
from bruk.wire.requests import JobBody, JobSpecBody

from .world import World

VALUE = "hf_very_secret"


@pytest.fixture
def member(world: World) -> Actor:
    found = world.person("acme", "member")
    secrets.put(world.control, found, "acme/lab", "HF_TOKEN", VALUE)
    return found


def test_the_run_finds_it_in_its_environment(world: World, member: Actor) -> None:
    job, run, site = world.running(secrets=["HF_TOKEN"], env={"OTHER": "1"})
    assert site.orders[run.id].env == {"OTHER": "1", "HF_TOKEN": VALUE}
    assert jobs.get(world.control, member, job.id).job.env == {"OTHER": "1"}


def test_its_value_stands_nowhere_in_the_database(world: World, member: Actor) -> None:
    world.running(secrets=["HF_TOKEN"])
    assert VALUE not in json.dumps(world.dump(), default=str)
    key = world.control.home / "keys" / "secrets.key"
    assert key.stat().st_mode & 0o777 == 0o600


def test_a_new_value_is_found_by_what_starts_from_then_on(world: World, member: Actor) -> None:
    secrets.put(world.control, member, "acme/lab", "HF_TOKEN", "second")
    _, run, site = world.running(secrets=["HF_TOKEN"])
    assert site.orders[run.id].env == {"HF_TOKEN": "second"}
    assert [item.name for item in secrets.listing(world.control, member, "acme/lab")] == ["HF_TOKEN"]


def test_nobody_of_another_tenant_and_no_operator_has_to_do_with_it(world: World, member: Actor) -> None:
    control = world.control
    for actor, error in [
        (world.operator, Forbidden),
        (world.person(None, "auditor"), Forbidden),
        (world.person("lumen", "tenant_admin"), NotFound),
    ]:
        with pytest.raises(error):
            secrets.listing(control, actor, "acme/lab")
        with pytest.raises(error):
            secrets.put(control, actor, "acme/lab", "HF_TOKEN", "x")
        with pytest.raises(error):
            secrets.remove(control, actor, "acme/lab", "HF_TOKEN")


def test_a_job_that_names_none_or_names_it_twice_is_refused(world: World, member: Actor) -> None:
    with pytest.raises(NotFound, match="bruk secret set WANDB_KEY"):
        world.submit(secrets=["WANDB_KEY"])
    with pytest.raises(NotFound):
        world.submit(project="lumen/lab", secrets=["HF_TOKEN"])
    with pytest.raises(InvalidInput, match="both a secret and in env"):
        world.submit(secrets=["HF_TOKEN"], env={"HF_TOKEN": "x"})


def test_one_that_is_gone_is_waited_for(world: World, member: Actor) -> None:
    for _ in range(4):
        world.submit(resources={"nodes": 2, "devices": 4})
    job = world.submit(secrets=["HF_TOKEN"], resources={"nodes": 2, "devices": 4})
    secrets.remove(world.control, member, "acme/lab", "HF_TOKEN")
    world.step()
    reason = jobs.view(world.control, member, job.id).waiting_for
    assert reason is not None
    assert reason.code == "inputs"
    assert "secret HF_TOKEN" in reason.advice
    secrets.put(world.control, member, "acme/lab", "HF_TOKEN", "again")
    body = JobBody(project="acme/lab", name="j", spec=JobSpecBody(command=["x"], secrets=["HF_TOKEN"]))
    found = estimate(world.control, member, body).waiting_for
    assert found is not None
    assert found.code == "capacity"


def test_bounds(world: World, member: Actor) -> None:
    with pytest.raises(InvalidInput, match="65536 bytes"):
        secrets.put(world.control, member, "acme/lab", "BIG", "é" * 40_000)
    for number in range(99):
        secrets.put(world.control, member, "acme/lab", f"N{number}", "x")
    with pytest.raises(InvalidInput, match="at most 100 secrets"):
        secrets.put(world.control, member, "acme/lab", "ONE_MORE", "x")
    secrets.put(world.control, member, "acme/lab", "HF_TOKEN", "again")


def test_without_its_key_it_is_set_aside_at_the_start_and_taken_back_with_it(
    world: World, member: Actor
) -> None:
    key = world.control.home / "keys" / "secrets.key"
    kept = key.read_bytes()
    key.unlink()
    for _ in range(2):
        secrets.set_aside_unreadable(world.control)
        assert secrets.listing(world.control, member, "acme/lab") == []
    said = json.dumps(world.dump(), default=str)
    assert said.count("secret.set_aside") == 1
    key.write_bytes(kept)
    key.chmod(0o600)
    secrets.set_aside_unreadable(world.control)
    assert [item.name for item in secrets.listing(world.control, member, "acme/lab")] == ["HF_TOKEN"]
    with world.control.read() as connection:
        assert secrets.value(world.control, connection, "acme/lab", "HF_TOKEN")
    assert "secret.found" in json.dumps(world.dump(), default=str)


def test_what_is_set_aside_can_be_set_anew(world: World, member: Actor) -> None:
    (world.control.home / "keys" / "secrets.key").unlink()
    secrets.set_aside_unreadable(world.control)
    secrets.put(world.control, member, "acme/lab", "HF_TOKEN", "again")
    with world.control.read() as connection:
        assert secrets.value(world.control, connection, "acme/lab", "HF_TOKEN") == "again"


def test_a_vault_opens_its_own_alone(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    one, two = Vault(tmp_path / "one"), Vault(tmp_path / "two")
    sealed = one.seal(VALUE, "acme/lab/A")
    assert VALUE not in sealed
    assert Vault(tmp_path / "one").open(sealed, "acme/lab/A") == VALUE
    with pytest.raises(SecretsUnreadable, match="belongs to something else"):
        one.open(sealed, "acme/lab/B")
    two.seal("x", "acme/lab/A")
    with pytest.raises(SecretsUnreadable, match="another key"):
        two.open(sealed, "acme/lab/A")
    (tmp_path / "two" / "secrets.key").write_text("no key")
    with pytest.raises(SecretsUnreadable, match="cannot be read"):
        two.open(sealed, "acme/lab/A")
