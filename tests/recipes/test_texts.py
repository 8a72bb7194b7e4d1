import json
from pathlib import Path

import pyarrow
import pytest
from pyarrow import parquet

from bruk.recipes.run import RecipeError
from bruk.recipes.texts import read_corpus


def test_sides_of_a_corpus_are_taken_as_they_are(corpus: Path) -> None:
    (corpus / "train" / "picture.png").write_bytes(b"\x89PNG\0\0")
    (corpus / "train" / ".hidden").write_text("not read")
    read = read_corpus(corpus)
    assert [document.name for document in read.train] == [f"module_{n}.py" for n in range(6)]
    assert len(read.heldout) == 2
    assert read.left_out_files == 1
    assert read.heldout[0].size_bytes == (corpus / "heldout" / "module_0.py").stat().st_size


def test_whole_packages_are_held_out_where_the_corpus_does_not_say(tmp_path: Path) -> None:
    for number in range(30):
        (tmp_path / f"pack{number}" / "sub").mkdir(parents=True)
        (tmp_path / f"pack{number}" / "a.txt").write_text(f"a {number}")
        (tmp_path / f"pack{number}" / "sub" / "b.txt").write_text(f"b {number}")
    read = read_corpus(tmp_path, heldout_percent=30)
    train = {document.name.split("/")[0] for document in read.train}
    heldout = {document.name.split("/")[0] for document in read.heldout}
    assert train
    assert heldout
    assert not train & heldout
    assert len(read.train) + len(read.heldout) == 60


def test_the_digest_follows_content_and_side(corpus: Path) -> None:
    before = read_corpus(corpus).digest
    assert read_corpus(corpus).digest == before
    (corpus / "heldout" / "module_0.py").rename(corpus / "train" / "moved.py")
    assert read_corpus(corpus).digest != before


def test_one_jsonl_file_is_split_by_record(tmp_path: Path) -> None:
    path = tmp_path / "data.jsonl"
    path.write_text("".join(json.dumps({"body": f"record {n}"}) + "\n" for n in range(100)))
    read = read_corpus(path, text_field="body", heldout_percent=20)
    assert len(read.train) + len(read.heldout) == 100
    assert 5 <= len(read.heldout) <= 40
    assert read.train[0].name.startswith("data.jsonl#")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"text": "cut', "line 2: not JSON"),
        ('{"other": "x"}', "line 2: the record has no text in a field 'text'"),
        ("[1, 2]", "line 2: the record has no text"),
        ('{"text": 7}', "line 2: the record has no text"),
        ('{"text": "\\ud800"}', "line 2: field 'text' is not valid Unicode"),
    ],
)
def test_malformed_jsonl_names_file_and_line(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "data.jsonl"
    path.write_text('{"text": "fine"}\n' + line + "\n")
    with pytest.raises(RecipeError, match=r"data\.jsonl") as caught:
        read_corpus(path)
    assert message in str(caught.value)


def test_jsonl_that_is_not_utf8_names_file_and_line(tmp_path: Path) -> None:
    (tmp_path / "data.jsonl").write_bytes(b'{"text": "a"}\n{"text": "\xff"}\n')
    with pytest.raises(RecipeError, match="line 2: not JSON"):
        read_corpus(tmp_path)


def test_parquet_columns_are_read_and_missing_ones_named(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    (tmp_path / "heldout").mkdir()
    for side in ("train", "heldout"):
        table = pyarrow.table({"body": [f"{side} å", "two"], "n": [1, 2]})
        parquet.write_table(table, tmp_path / side / "part.parquet")
    read = read_corpus(tmp_path, text_field="body")
    assert [document.text for document in read.train] == ["train å", "two"]
    with pytest.raises(RecipeError, match="no column 'text'; it has body, n"):
        read_corpus(tmp_path)
    with pytest.raises(RecipeError, match="row 1: column 'n' has no text"):
        read_corpus(tmp_path, text_field="n")


def test_a_broken_parquet_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "part.parquet").write_bytes(b"PAR1 cut short")
    with pytest.raises(RecipeError, match=r"part\.parquet: not a readable Parquet file"):
        read_corpus(tmp_path)


def test_missing_and_empty_corpora_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="there is no corpus"):
        read_corpus(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(RecipeError, match="no training text"):
        read_corpus(tmp_path / "empty")
