"""A trouble that lasts does not fill the log."""

import logging

import pytest

from bruk.agent.complaint import Complaints


def test_the_same_trouble_is_said_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    complaints = Complaints(logging.getLogger("test"))
    for now_ms in range(0, 120_000, 250):
        complaints.say("the disk", OSError("full"), now_ms)
    assert len(caplog.records) == 2
    complaints.say("the disk", OSError("read-only"), 120_000)
    complaints.say("the engine", OSError("read-only"), 120_000)
    complaints.forget("the engine")
    complaints.say("the engine", OSError("read-only"), 120_001)
    assert len(caplog.records) == 5
    assert caplog.records[-1].getMessage() == "the engine: read-only"
