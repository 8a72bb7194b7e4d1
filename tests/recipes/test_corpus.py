import subprocess
import sys
from pathlib import Path

import pytest

from bruk.recipes.corpus import collect, library_modules, main


def make_library(root: Path) -> Path:
    for number in range(60):
        (root / f"pack{number}").mkdir(parents=True)
        (root / f"pack{number}" / "__init__.py").write_text(f"x = {number}\n")
        (root / f"pack{number}" / "more.py").write_text(f"y = {number}\n")
    for unwanted in ("test", "pack1/tests", "site-packages/other", "encodings", "__pycache__"):
        (root / unwanted).mkdir(parents=True, exist_ok=True)
        (root / unwanted / "unwanted.py").write_text("unwanted\n")
    (root / "_sysconfigdata_linux.py").write_text("unwanted\n")
    (root / "latin.py").write_bytes(b"# caf\xe9\n")
    return root


def names(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*.py")}


def test_whole_packages_fall_on_one_side_and_unwanted_files_on_none(tmp_path: Path) -> None:
    library = make_library(tmp_path / "lib")
    done = collect(tmp_path / "out", library)
    train, heldout = names(tmp_path / "out" / "train"), names(tmp_path / "out" / "heldout")
    assert {n.split("/")[0] for n in train} & {n.split("/")[0] for n in heldout} == set()
    assert len(train) == done.train_modules
    assert len(heldout) == done.heldout_modules
    assert done.train_modules + done.heldout_modules == 120
    assert not any("unwanted" in name or "sysconfig" in name or "latin" in name for name in train | heldout)


def test_collecting_again_replaces_what_was_there(tmp_path: Path) -> None:
    library = make_library(tmp_path / "lib")
    collect(tmp_path / "out", library)
    stale = tmp_path / "out" / "train" / "stale.py"
    stale.write_text("old")
    again = collect(tmp_path / "out", library)
    assert not stale.exists()
    assert again.train_modules == len(names(tmp_path / "out" / "train"))


def test_the_running_librarys_modules_include_real_ones() -> None:
    import sysconfig

    tops = {top for top, _path in library_modules(Path(sysconfig.get_path("stdlib")))}
    assert {"json", "argparse", "email"} <= tops
    assert not {"test", "idlelib", "encodings"} & tops


def test_a_library_without_source_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="too few Python source files"):
        collect(tmp_path / "out", tmp_path / "empty")


def test_the_command_line_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "usage" in capsys.readouterr().err


def test_collecting_needs_no_torch() -> None:
    code = (
        "import sys; import bruk.recipes.corpus, bruk.recipes.settings, bruk.recipes.texts;"
        "assert not {'torch', 'transformers', 'numpy'} & set(sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
