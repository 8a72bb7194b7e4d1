"""What the first page shows of ``bruk up`` is what it prints."""

from pathlib import Path

from bruk.assembly.home import Home
from bruk.assembly.up import Address, _welcome

FIRST = Path(__file__).parent.parent.parent / "docs" / "start" / "first.md"


def test_the_sample_of_up_is_what_it_prints(tmp_path: Path) -> None:
    sample = FIRST.read_text("utf-8").split("```text\n", 1)[1].split("```", 1)[0]
    at = Address("http://127.0.0.1:8610", "http://127.0.0.1:8611", 8611)
    home = Home(tmp_path)
    printed = _welcome(home, at, f"{at.control_url}/login?token=…", empty=True)
    assert printed.replace(str(home.path), "/home/you/.bruk") + "\n" == sample
