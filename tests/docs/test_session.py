"""The operator's session prints what its page says, and the comparison itself can be trusted."""

import shutil

import pytest


@pytest.fixture(scope="module")
def page(session):
    return session.PAGE.read_text("utf-8")


def test_the_page_has_commands_with_output(session, page):
    steps = session.steps(page)
    assert len(steps) > 40
    assert sum(1 for step in steps if step.output) > 35
    assert {"off", "on", "why", "ledger", "invoice", "audit", "key", "submit"} <= {
        step.command.split()[1] for step in steps if step.command.startswith("bruk ")
    } | {"key"}


def test_no_secret_stands_in_the_page(session, page):
    for secret in session._SECRET.finditer(page):
        assert session._plain(secret[0]), f"{secret[0][:12]}… looks like a secret"


def test_what_may_differ_is_taken_out_and_nothing_else(session):
    def same(one: str, other: str) -> bool:
        return session.Names().normal(one) == session.Names().normal(other)

    job, other = "job_1a2048f2120055af1ba057f", "job_2b2048f2120055af1ba057f"
    assert same(f"{job} runs, {job}", f"{other} runs, {other}")
    assert not same(f"{job} runs, {job}", f"{job} runs, {other}"), "one identifier stays one"
    assert same("at 2026-11-22 18:40:20 UTC", "at 2027-01-02 03:04:05 UTC")
    assert same("Together: 0.000639 EUR.", "Together: 0.001 EUR.")
    assert same("starting at step 17\ncheckpoint at step 17", "starting at step 9\ncheckpoint at step 9")
    assert not same("starting at step 17\ncheckpoint at step 17", "starting at step 0\ncheckpoint at step 9")
    assert not same("acknowledged", "has not answered")
    assert not same("generation 1", "generation 2")
    assert not same("(exit status 5)", "(exit status 6)")
    assert not same("FAILED at line 3, entry 2", "FAILED at line 4, entry 3")


def test_a_command_that_fails_shows_its_status(session, tmp_path):
    shell = session.Shell(tmp_path, {"PATH": "/usr/bin:/bin"})
    try:
        assert shell.run("echo one; (exit 3)") == "one\n(exit status 3)"
        assert shell.run("NAME=kept") == ""
        assert shell.run('printf "%s" "$NAME"; cat') == "kept"
    finally:
        shell.close()


@pytest.mark.slow
@pytest.mark.timeout(280)
def test_the_session_prints_what_the_page_says(session, page):
    for program in ("bash", "curl", "sed", "head"):
        if shutil.which(program) is None:
            pytest.skip(f"the session uses {program}, which is not installed here")
    found = session.differences(page)
    assert not found, "\n\n".join([*found, "If that is meant: python docs/session.py --write"])
