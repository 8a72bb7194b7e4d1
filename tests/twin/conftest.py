"""Public data where it is there, and files written for a test."""

from pathlib import Path

import pytest

from bruk.model.clock import ManualClock

DATA = Path(__file__).parents[3] / "shared" / "data"
NODES = "sn,cpu_milli,memory_mib,gpu,model\n"
PODS = "name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec\n"


@pytest.fixture(scope="session")
def openb():
    folder = DATA / "openb"
    if not folder.is_dir():
        pytest.skip("needs ../shared/data/openb beside the checkout, which is not part of it")
    return folder


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def nodes(tmp_path):
    def write(body: str, heading: str = NODES) -> Path:
        file = tmp_path / "nodes.csv"
        file.write_text(heading + body, encoding="utf-8")
        return file

    return write


@pytest.fixture
def pods(tmp_path):
    def write(body: str, heading: str = PODS) -> Path:
        file = tmp_path / "pods.csv"
        file.write_text(heading + body, encoding="utf-8")
        return file

    return write
