"""Bytes go up and come down as they were, or nothing is left of them."""

import hashlib
import io
import os
import tarfile

import httpx
import pytest

from bruk.model.artifact import Artifact, ArtifactKind
from bruk.model.errors import Conflict, InvalidInput, NotFound
from bruk.sdk import Client, SdkError


class Store:
    """Keeps what is uploaded; may damage it on the way out or in."""

    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}
        self.items: list[dict[str, object]] = []
        self.damage_in = self.damage_out = b""
        self.headers: list[httpx.Headers] = []

    def answer(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/api/v1/artifacts")
        if request.method == "POST":
            self.headers.append(request.headers)
            data = request.read() + self.damage_in
            identifier = f"art_{len(self.items) + 1}"
            self.blobs[identifier] = data
            params = request.url.params
            self.items.append(
                {
                    "id": identifier,
                    "project": params["project"],
                    "name": params["name"],
                    "kind": params["kind"],
                    "digest": hashlib.sha256(data).hexdigest(),
                    "size_bytes": len(data),
                    "created_at_ms": len(self.items),
                }
            )
            return httpx.Response(201, json=self.items[-1])
        if path.endswith("/content"):
            return httpx.Response(200, content=self.blobs[path.split("/")[1]] + self.damage_out)
        return httpx.Response(200, json={"items": self.items, "next": None})


@pytest.fixture
def store():
    return Store()


@pytest.fixture
def client(store):
    with Client("http://127.0.0.1:1", "t", line=httpx.MockTransport(store.answer)) as control:
        yield control


def test_a_file_goes_up_and_comes_back(store, client, tmp_path):
    (tmp_path / "data").write_bytes(os.urandom(3_000_000))
    artifact = client.artifacts.put(tmp_path / "data", "acme/models", "data")
    assert artifact.kind is ArtifactKind.FILE
    assert store.headers[0]["content-length"] == "3000000"
    client.artifacts.fetch(artifact, tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == (tmp_path / "data").read_bytes()


def test_a_folder_goes_up_as_a_tree_and_comes_back(store, client, tmp_path):
    (tmp_path / "in" / "sub é").mkdir(parents=True)
    (tmp_path / "in" / "sub é" / "x").write_text("x")
    artifact = client.artifacts.put(tmp_path / "in", "acme/models", "in")
    assert artifact.kind is ArtifactKind.TREE
    client.artifacts.fetch(artifact, tmp_path / "out")
    assert (tmp_path / "out" / "sub é" / "x").read_text() == "x"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "out"]


def test_bytes_that_change_on_the_way_up_are_noticed(store, client, tmp_path):
    (tmp_path / "data").write_bytes(b"x")
    store.damage_in = b"!"
    with pytest.raises(SdkError) as caught:
        client.artifacts.put(tmp_path / "data", "acme/models", "data")
    assert caught.value.code == "digest_mismatch"


@pytest.mark.parametrize("name", ["data", "folder"])
def test_bytes_that_change_on_the_way_down_leave_nothing(store, client, tmp_path, name):
    (tmp_path / "data").write_bytes(b"x")
    (tmp_path / "folder").mkdir()
    artifact = client.artifacts.put(tmp_path / name, "acme/models", name)
    store.damage_out = b"!"
    with pytest.raises(SdkError) as caught:
        client.artifacts.fetch(artifact, tmp_path / "back")
    assert caught.value.code == "digest_mismatch"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "folder"]


def test_nothing_that_exists_is_overwritten(client, tmp_path):
    (tmp_path / "data").write_bytes(b"x")
    artifact = client.artifacts.put(tmp_path / "data", "acme/models", "data")
    (tmp_path / "mine").write_text("mine")
    with pytest.raises(Conflict):
        client.artifacts.fetch(artifact, tmp_path / "mine")
    assert (tmp_path / "mine").read_text() == "mine"


def test_a_hostile_tree_leaves_nothing(store, client, tmp_path):
    (tmp_path / "in").mkdir()
    client.artifacts.put(tmp_path / "in", "acme/models", "in")
    evil = io.BytesIO()
    with tarfile.open(fileobj=evil, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("../evil"))
    data = evil.getvalue()
    store.blobs["art_1"] = data
    artifact = Artifact("art_1", "a/b", "in", ArtifactKind.TREE, hashlib.sha256(data).hexdigest(), 1, 1)
    with pytest.raises(InvalidInput, match="plain path"):
        client.artifacts.fetch(artifact, tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in"]


def test_the_newest_of_a_name_is_found_and_an_identifier_goes_first(client, tmp_path):
    (tmp_path / "data").write_bytes(b"x")
    for name in ("corpus", "corpus", "art_1"):
        client.artifacts.put(tmp_path / "data", "acme/models", name)
    assert client.artifacts.find("corpus").id == "art_2"
    assert client.artifacts.find("art_1").id == "art_1"
    with pytest.raises(NotFound, match="bruk data ls"):
        client.artifacts.find("nothing")


def test_a_path_that_cannot_be_read_says_so(client, tmp_path):
    with pytest.raises(InvalidInput, match="cannot be read"):
        client.artifacts.put(tmp_path / "nothing", "acme/models", "x")


def test_a_folder_that_is_not_there_says_so(client, tmp_path):
    (tmp_path / "data").write_bytes(b"x")
    artifact = client.artifacts.put(tmp_path / "data", "acme/models", "data")
    with pytest.raises(InvalidInput, match="cannot be written"):
        client.artifacts.fetch(artifact, tmp_path / "no" / "such" / "place")
