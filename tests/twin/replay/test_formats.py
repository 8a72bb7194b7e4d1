"""Traces of jobs: bad ones are refused with file and line, good ones are read to the millisecond."""

import contextlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bruk.twin.replay.formats import FORMATS, UnknownFormat, read_jobs
from bruk.twin.trace import TraceInvalid

HEADINGS = {
    "gaia": "arrival_time,length,cpus\n",
    "philly": "timestamp,duration,num_gpus\n",
    "swf": "; Version: 2.2\n",
    "bruk": "submitted_at_ms,duration_ms,nodes,devices,project,priority,time_limit_ms\n",
}
GOOD = {
    "gaia": "1,2,3\n",
    "philly": "1,2,3\n",
    "swf": "1 10 -1 20 4 -1 -1 -1 -1 -1 1 -1 -1 -1 0 -1 -1 -1\n",
    "bruk": "1800000000000,60000,2,4,acme/lab,50,3600000\n",
}


@pytest.fixture
def trace(tmp_path):
    def write(kind, body):
        file = tmp_path / "trace"
        file.write_text(HEADINGS[kind] + body, encoding="utf-8")
        return file

    return write


@pytest.mark.parametrize(
    ("kind", "body", "says"),
    [
        ("gaia", "-1,2,3\n", "arrival_time is '-1', not a number from 0"),
        ("gaia", "1,-2,3\n", "length is '-2'"),
        ("gaia", "1,2,0\n", "cpus is 0: a job needs a device"),
        ("gaia", "1,2,1.5\n", "cpus is '1.5'"),
        ("gaia", "1,inf,1\n", "length is 'inf'"),
        ("gaia", "1,1e99,1\n", "beyond three hundred years"),
        ("gaia", "1,2\n", "2 cells under a heading of 3"),
        ("philly", "x,2,1\n", "timestamp is 'x'"),
        ("swf", "1 2 3\n", "3 fields where the format has 18"),
        ("swf", GOOD["swf"].replace(" 10 ", " -10 "), "the submit time is -10"),
        ("swf", GOOD["swf"].replace(" 20 ", " x "), "'x' is not a number"),
        ("swf", GOOD["swf"].replace(" 4 ", " 1.5 "), "1.5 processors"),
        ("bruk", GOOD["bruk"].replace(",2,", ",0,"), "nodes is 0: a job needs a node"),
        ("bruk", GOOD["bruk"].replace(",4,", ",0,"), "devices is 0: a job needs a device"),
        ("bruk", GOOD["bruk"].replace(",2,4,", ",10000,10000,"), "nodes times devices is 100000000"),
        ("bruk", GOOD["bruk"].replace("acme/lab", ""), "project is empty"),
        (
            "bruk",
            GOOD["bruk"].replace(",50,", ",101,"),
            "priority is '101', not a whole number from 0 to 100",
        ),
        ("bruk", GOOD["bruk"].replace("3600000", "-1"), "time_limit_ms is '-1'"),
        ("bruk", GOOD["bruk"].replace("60000", "0.5"), "duration_ms is '0.5'"),
    ],
)
def test_a_line_that_cannot_be_used_is_named(trace, kind, body, says):
    file = trace(kind, GOOD[kind] + body)
    with pytest.raises(TraceInvalid) as refused:
        read_jobs(file, kind)
    assert refused.value.message.startswith(f"{file}, line 3: "), refused.value.message
    assert says in refused.value.message


def test_times_are_exact_to_the_millisecond(trace):
    jobs = read_jobs(trace("gaia", "0.5769444444444503,25.408055555555556,20\n"), "gaia")
    assert (jobs.arrival_ms, jobs.length_ms, jobs.devices) == ([2_077_000], [91_469_000], [20])
    jobs = read_jobs(trace("philly", "1.5,0.001,1\n"), "philly")
    assert (jobs.arrival_ms, jobs.length_ms) == ([1_500], [1])


def test_jobs_are_in_the_order_of_their_arrival(trace):
    jobs = read_jobs(trace("philly", "5,1,1\n3,2,2\n5,3,3\n"), "philly")
    assert (jobs.arrival_ms, jobs.devices) == ([3_000, 5_000, 5_000], [2, 1, 3])


def test_what_the_standard_workload_format_does_not_know_is_counted(trace):
    body = GOOD["swf"] + GOOD["swf"].replace(" 20 ", " -1 ") + GOOD["swf"].replace(" 4 ", " -1 ")
    jobs = read_jobs(trace("swf", "; comment\n\n" + body), "swf")
    assert (len(jobs), jobs.unusable) == (1, 2)


def test_requested_processors_go_before_allocated_ones(trace):
    fields = GOOD["swf"].split()
    fields[7] = "6"
    assert read_jobs(trace("swf", " ".join(fields) + "\n"), "swf").devices == [6]


def test_the_standard_workload_format_tells_limits_and_users(trace):
    fields = GOOD["swf"].split()
    rows = []
    for requested, user in (("30", "7"), ("-1", "8"), ("5", "-1")):
        fields[8], fields[11] = requested, user
        rows.append(" ".join(fields))
    jobs = read_jobs(trace("swf", "\n".join(rows) + "\n"), "swf")
    # The second is not known, the third was too low: it did run for 20 s.
    assert list(jobs.limits_ms) == [30_000, 20_000, 20_000]
    assert [jobs.owners[owner] for owner in jobs.owner] == ["7", "8", ""]


def test_owners_limits_and_priorities_are_read_from_the_products_own_format(trace):
    other = GOOD["bruk"].replace("acme/lab,50", "bolt/web,70").replace(",60000,", ",4000000,")
    jobs = read_jobs(trace("bruk", GOOD["bruk"] + other), "bruk")
    assert (jobs.arrival_ms, jobs.length_ms) == ([1_800_000_000_000] * 2, [60_000, 4_000_000])
    assert (jobs.devices, list(jobs.limits_ms)) == ([8, 8], [3_600_000, 4_000_000])
    assert (jobs.owners, jobs.owner, jobs.priority) == (("acme/lab", "bolt/web"), [0, 1], [50, 70])
    assert jobs.first(1).limits_ms == [3_600_000]


def test_a_user_is_read_where_there_is_one(tmp_path, trace):
    assert read_jobs(trace("philly", GOOD["philly"]), "philly").owners == ("",)
    file = tmp_path / "users"
    file.write_text("timestamp,user,duration,num_gpus\n1,eva,2,3\n2,per,2,3\n")
    assert read_jobs(file, "philly").owners == ("eva", "per")


@pytest.mark.parametrize("kind", FORMATS)
def test_a_trace_without_a_job_is_refused(trace, kind):
    with pytest.raises(TraceInvalid):
        read_jobs(trace(kind, ""), kind)


def test_an_unknown_format_is_refused(tmp_path):
    with pytest.raises(UnknownFormat, match="gaia, swf, philly, bruk"):
        read_jobs(tmp_path / "none", "pbs")


NUMBERS = st.one_of(st.integers(-3, 10**15).map(str), st.floats().map(str), st.text(max_size=4))
ROWS = st.lists(st.lists(NUMBERS, min_size=1, max_size=19), max_size=5)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(kind=st.sampled_from(sorted(FORMATS)), rows=ROWS, junk=st.binary(max_size=60))
def test_whatever_is_in_a_trace_it_is_read_or_refused(tmp_path, kind, rows, junk):
    file = tmp_path / "trace"
    parting = " " if kind == "swf" else ","
    body = "\n".join(parting.join(row) for row in rows)
    for content in (junk, (HEADINGS[kind] + body).encode("utf-8", "replace")):
        file.write_bytes(content)
        with contextlib.suppress(TraceInvalid):
            jobs = read_jobs(file, kind)
            assert all(length >= 0 for length in jobs.length_ms)
            assert all(count >= 1 for count in jobs.devices)
