"""What holds for every test: where skips are not accepted, and Hypothesis' profiles."""

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from .postgresql import Server, Template

# Packages of the machine that continuous integration installs; there, a test that skips for want of
# one has not run and so has failed.
NEEDS_MACHINE_PACKAGES = ("chromium", "faketime", "root", "postgresql")

settings.register_profile("default", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("default")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]):
    outcome = yield
    report = outcome.get_result()
    needs = [name for name in NEEDS_MACHINE_PACKAGES if item.get_closest_marker(name)]
    if report.skipped and needs and os.environ.get("BRUK_CI"):
        report.outcome = "failed"
        report.longrepr = (
            f"skipped although continuous integration must have {', '.join(needs)}: {report.longrepr}"
        )


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Server]:
    """A PostgreSQL server of this test process."""
    server = Server()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def postgresql_template(postgresql: Server) -> Template:
    """A database of the newest schema there."""
    return Template(postgresql)
