"""The home folder: its owner's alone, one control at a time."""

import stat
from pathlib import Path

import pytest

from bruk.assembly.home import Home, HomeInUse, read_secret, remember, write_secret
from bruk.model.errors import InvalidInput


def test_a_home_is_its_owners_alone(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.make()
    assert stat.S_IMODE(home.path.stat().st_mode) == 0o700
    assert {entry.name for entry in home.path.iterdir()} >= {"keys", "artifacts", "logs", "sites", "gateways"}


def test_a_home_that_is_open_to_others_is_refused_with_what_to_do(tmp_path: Path) -> None:
    folder = tmp_path / "home"
    folder.mkdir(mode=0o755)
    folder.chmod(0o755)
    with pytest.raises(InvalidInput, match="chmod 700"):
        Home(folder).make()


def test_a_home_that_cannot_be_made_says_why(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidInput, match="cannot be made"):
        Home(tmp_path / "file" / "home").make()


def test_a_folder_with_other_things_is_not_taken_for_a_home(tmp_path: Path) -> None:
    folder = tmp_path / "home"
    folder.mkdir(mode=0o700)
    (folder / "thesis.tex").write_text("years of work")
    with pytest.raises(InvalidInput, match="other things"):
        Home(folder).make()
    assert [entry.name for entry in folder.iterdir()] == ["thesis.tex"]


def test_a_home_that_was_used_may_have_anything_beside(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.make()
    home.signing_key.write_text("a key")
    (home.path / "audit.jsonl").write_text("")
    home.make()


def test_one_control_at_a_time(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.make()
    with home.locked(), pytest.raises(HomeInUse, match="runs already"), home.locked():
        pass
    with home.locked():
        pass


def test_a_secret_is_written_whole_and_for_its_owner(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "token"
    write_secret(path, "first")
    write_secret(path, "second")
    assert read_secret(path, "token") == "second"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == ["token"]


def test_a_missing_secret_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="the agent's token"):
        read_secret(tmp_path / "token", "agent's token")


def test_what_is_remembered_stays_beside_what_is_new(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.make()
    remember(home, url="http://127.0.0.1:1", token="secret")
    remember(home, url="http://127.0.0.1:2")
    text = home.cli_file.read_text()
    assert "http://127.0.0.1:2" in text
    assert "secret" in text
    home.cli_file.write_text("not JSON")
    remember(home, url="http://127.0.0.1:3")
    assert "http://127.0.0.1:3" in home.cli_file.read_text()
