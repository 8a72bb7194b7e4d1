"""What the environment of an agent says of its machine."""

from pathlib import Path

import pytest

from bruk.assembly.agent import _local_config
from bruk.model.egress import parse
from bruk.model.errors import InvalidInput


def test_the_operators_destinations_stand_in_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("BRUK_EGRESS", raising=False)
    assert _local_config(tmp_path).egress == ()
    monkeypatch.setenv("BRUK_EGRESS", " PyPI.org:443, *.data.example:*  10.0.0.1:80 ")
    rules = tuple(map(parse, ("pypi.org:443", "*.data.example:*", "10.0.0.1:80")))
    assert _local_config(tmp_path).egress == rules


@pytest.mark.parametrize("text", ["pypi.org", "https://pypi.org", "10.0.0.0/8", "*:443"])
def test_a_destination_that_is_none_keeps_the_agent_from_starting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("BRUK_EGRESS", f"pypi.org:443 {text}")
    with pytest.raises(InvalidInput, match=f"BRUK_EGRESS: '{text.replace('*', '[*]')}' is no destination"):
        _local_config(tmp_path)
