"""A gateway's process bears only what it needs: it would not find the rest on another machine."""

import json
import subprocess
import sys

import pytest

LEFT_OUT = {
    "bruk.control",
    "bruk.store",
    "bruk.api",
    "bruk.console",
    "sqlalchemy",
    "fastapi",
    "jinja2",
}


@pytest.mark.parametrize("process", ["gateway", "agent"])
def test_a_process_imports_nothing_of_control(process: str) -> None:
    code = f"import bruk.cli.main, bruk.assembly.{process}, json, sys; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert LEFT_OUT.isdisjoint(json.loads(done.stdout))
