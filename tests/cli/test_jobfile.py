"""Job files: what is meant arrives, what nobody means is refused by name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bruk.cli import jobfile
from bruk.cli.submit import HELP
from bruk.model.errors import BrukError, InvalidInput, NotFound

QUANTITIES = {**jobfile.SPEC_QUANTITIES, **jobfile.RESOURCE_QUANTITIES}


def body_of(text: str):
    return jobfile.job_body(jobfile.parse(text))


def test_the_file_that_the_help_shows_is_a_job():
    lines = HELP.split("A job file;")[1].split("\n\b\n")[1].replace("\\[", "[").splitlines()
    text = "\n".join(line for line in lines if "recipe =" not in line)
    spec = body_of(text).spec.value()
    assert spec.time_limit_s == 7200
    assert spec.grace_s == 30
    assert spec.disk_bytes == 20 * 2**30
    assert spec.deadline_at_ms == 1_796_101_200_000
    assert spec.resources.memory_bytes == 16 * 2**30
    assert spec.inputs == {"corpus": "art_1"}
    assert spec.software.kind == "venv"
    # Every field of a job stands in the help.
    for field in (*jobfile.SPEC_FIELDS, *jobfile.RESOURCE_FIELDS, *jobfile.SOFTWARE_FIELDS):
        plain = {exact: name for name, (exact, _) in QUANTITIES.items()}.get(field, field)
        assert f"{plain} =" in HELP or f"[{plain}]" in HELP, field


@pytest.mark.parametrize(
    ("text", "wrong", "near"),
    [
        ('nam = "x"', "nam", "name"),
        ('time_limits = "2h"', "time_limits", "time_limit_s"),
        ("[resources]\ndevice = 2", "device", "devices"),
        ('[software]\nknd = "venv"', "knd", "kind"),
        ("[resource]\ndevices = 2", "resource", "resources"),
    ],
)
def test_a_field_that_nobody_knows_is_named_with_the_nearest(text, wrong, near):
    with pytest.raises(InvalidInput) as caught:
        jobfile.parse(text)
    assert repr(wrong) in caught.value.message
    assert repr(near) in caught.value.message


def test_a_field_like_no_other_lists_the_known():
    with pytest.raises(InvalidInput, match="known are"):
        jobfile.parse("zzz = 1")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('name = "x"', "What is to run"),
        ('name = "x"\ncommand = ["a"]\nrecipe = "pretrain"', "not both"),
        ('name = "X Y"\ncommand = ["a"]', "name"),
        ('name = "x"\ncommand = ["a"]\n[resources]\ndevices = -1', "resources.devices"),
        ('name = "x"\ncommand = ["a"]\npriority = 101', "priority"),
        ('name = "x"\ncommand = "python train.py"', "command"),
        ('name = "x"\ncommand = ["a"]\ntime_limit = 3600', "time_limit_s"),
        ('name = "x"\ncommand = ["a"]\ntime_limit = "2h"\ntime_limit_s = 7200', "say the same"),
        ('name = "x"\ncommand = ["a"]\nresources = 2', "resources"),
        ('name = "x" "y"', "not TOML"),
        ("a = " + "[" * 5000, "not TOML"),
    ],
)
def test_bad_files_say_what_is_wrong(text, says):
    with pytest.raises(InvalidInput, match=says):
        body_of(text)


@given(st.text(max_size=200))
def test_no_text_does_more_than_be_refused(text):
    with pytest.raises(BrukError, match=r"."):
        body_of(text)


def test_the_file_is_named(tmp_path):
    (tmp_path / "job.toml").write_text("zzz = 1")
    with pytest.raises(InvalidInput, match=r"job\.toml"):
        jobfile.read(tmp_path / "job.toml")
    with pytest.raises(NotFound):
        jobfile.read(tmp_path / "none.toml")
    (tmp_path / "big.toml").write_bytes(b"#" * (jobfile.FILE_BYTES_MAX + 1))
    with pytest.raises(InvalidInput, match="larger"):
        jobfile.read(tmp_path / "big.toml")
    (tmp_path / "latin.toml").write_bytes(b'name = "\xe9"')
    with pytest.raises(InvalidInput, match="UTF-8"):
        jobfile.read(tmp_path / "latin.toml")


@pytest.mark.parametrize("texts", [["a"], ["=b"], ["a=1", "a=2"]])
def test_pairs_that_are_none(texts):
    with pytest.raises(InvalidInput):
        jobfile.pairs(texts, "--env")


def test_pairs_keep_what_follows_the_first_sign():
    assert jobfile.pairs(["A=b=c", "B="], "--env") == {"A": "b=c", "B": ""}


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ('command = ["python3", "src/Train_Model.v2.py", "--steps=3"]', "train-model-v2"),
        ('command = ["/usr/bin/true"]', "true"),
        ('recipe = "pretrain"', "pretrain"),
        ('command = ["…"]', "job"),
        ('name = "mine"\ncommand = ["a.py"]', "mine"),
    ],
)
def test_a_job_without_a_name_has_that_of_what_it_runs(text, name):
    assert body_of(text).name == name


def test_destinations_are_read_as_they_are_kept():
    made = body_of('command = ["a"]\nnetwork = ["PyPI.org.:443", "pypi.org:443", "*.data.example:*"]')
    assert made.spec.value().network == ("pypi.org:443", "*.data.example:*")
    with pytest.raises(InvalidInput, match="without a scheme"):
        body_of('command = ["a"]\nnetwork = ["https://pypi.org"]')
