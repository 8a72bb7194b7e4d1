"""The twin at the command line."""

import json

import pytest

NODES = "sn,cpu_milli,memory_mib,gpu,model\n" + "".join(f"n{i},16000,1000,4,A\n" for i in range(5))
PODS = "name,cpu_milli,memory_mib,num_gpu,gpu_milli\na,2000,1,1,1000\nb,2000,1,1,300\nc,1000,1,0,0\n"
KEYS = ["policy", "seed", "gpu_allocation_pct_at_100", "gpu_allocation_pct_at_130"]
KEYS += ["placed", "failed", "impossible", "seconds"]


@pytest.fixture
def files(tmp_path):
    (tmp_path / "nodes.csv").write_text(NODES)
    (tmp_path / "pods.csv").write_text(PODS)
    return ["--nodes", str(tmp_path / "nodes.csv"), "--workloads", str(tmp_path / "pods.csv")]


@pytest.mark.parametrize("policy", ["random", "bestfit", "fgd", "bruk"])
def test_placing_answers_one_object(bruk, files, policy):
    status, out, err = bruk("twin", "place", *files, "--policy", policy, "--seed", "7", "--json")
    answer = json.loads(out)
    assert status == 0
    assert list(answer) == KEYS
    assert (answer["policy"], answer["seed"], answer["impossible"]) == (policy, 7, 0)
    assert 50 < answer["gpu_allocation_pct_at_100"] <= 100
    assert err == ""


def test_placing_prints_a_table_and_draws(bruk, files, tmp_path):
    status, out, err = bruk("twin", "place", *files, "--plot", str(tmp_path / "curve.html"))
    assert status == 0
    assert "% at 130" in out
    assert "curve.html" in err
    assert "<svg" in (tmp_path / "curve.html").read_text()


def test_a_picture_that_cannot_be_written_takes_the_answer_from_nobody(bruk, files, tmp_path):
    status, out, err = bruk("twin", "place", *files, "--json", "--plot", str(tmp_path / "none" / "curve.svg"))
    assert status == 1
    assert json.loads(out)["policy"] == "bruk"
    assert "curve.svg: No such file" in err


def test_a_bad_line_is_named(bruk, files, tmp_path):
    (tmp_path / "pods.csv").write_text(PODS + "d,-3,1,1,1000\n")
    status, out, err = bruk("twin", "place", *files)
    assert (status, out) == (2, "")
    assert "pods.csv, line 5: cpu_milli is '-3'" in err


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["--policy", "best"], "Take one of: random, bestfit, fgd, bruk"),
        (["--inflate", "0"], "--inflate 0 is not above 0"),
        (["--seed", "-1"], "seed"),
        (["--plot", "curve.png"], "neither in .svg nor in .html"),
    ],
)
def test_wrong_use_is_told(bruk, files, more, says):
    status, _, err = bruk("twin", "place", *files, *more)
    assert status == 2
    assert says in err


def test_a_file_that_is_not_there_is_named(bruk, files, tmp_path):
    (tmp_path / "pods.csv").unlink()
    status, _, err = bruk("twin", "place", *files)
    assert status == 1
    assert "pods.csv: No such file" in err


@pytest.fixture
def trace(tmp_path):
    file = tmp_path / "trace.csv"
    file.write_text("arrival_time,length,cpus\n0,1,4\n0,2,4\n0,1,99\n0.5,1,12\n")
    return str(file)


def test_replaying_answers_one_object(bruk, trace):
    status, out, err = bruk("twin", "replay", trace, "--format", "gaia", "--gpus", "16", "--json")
    answer = json.loads(out)
    assert (status, err) == (0, "")
    assert list(answer) == [
        *("jobs", "impossible", "mean_jct_s", "mean_wait_s", "p95_wait_s", "makespan_s", "utilisation_pct"),
        *("energy_kwh", "gco2e", "seconds", "jobs_per_second"),
    ]
    assert (answer["jobs"], answer["impossible"], answer["makespan_s"]) == (3, 1, 10_800)
    assert answer["energy_kwh"] > 0
    assert answer["gco2e"] > 0


def test_replaying_prints_and_draws(bruk, trace, tmp_path):
    line = ["twin", "replay", trace, "--format", "gaia", "--gpus", "16", "--policy", "sjf", "--free-pool"]
    status, out, _ = bruk(*line, "--limit", "2", "--plot", str(tmp_path / "held.svg"))
    assert status == 0
    assert "utilisation pct" in out
    assert (tmp_path / "held.svg").read_text().startswith("<svg")


def test_backfill_lets_short_jobs_go_ahead(bruk, tmp_path):
    """A job of 2 h holds 12 of 16 devices and one of all 16 waits; by its limit one behind may go ahead."""
    file = tmp_path / "trace.csv"
    heading = "submitted_at_ms,duration_ms,nodes,devices,project,priority,time_limit_ms"
    rows = ["0,7200000,3,4,a/b,50,7200000", "0,3600000,2,8,a/b,50,3600000", "0,3600000,1,4,a/b,50,LIMIT"]
    line = ["twin", "replay", str(file), "--format", "bruk", "--gpus", "16", "--free-pool", "--json"]

    def mean_wait_s(limit_ms, *more):
        file.write_text("\n".join([heading, *rows]).replace("LIMIT", str(limit_ms)))
        status, out, err = bruk(*line, *more)
        assert (status, err) == (0, "")
        return json.loads(out)["mean_wait_s"]

    assert mean_wait_s(3_600_000, "--policy", "fair") == 5 * 3600 / 3
    assert mean_wait_s(3_600_000, "--policy", "fair", "--backfill", "easy") == 2 * 3600 / 3
    assert mean_wait_s(7_200_001, "--policy", "fair", "--backfill", "easy") == 5 * 3600 / 3
    assert mean_wait_s(3_600_000, "--policy", "srtf") == 2 * 3600 / 3


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["--format", "pbs"], "gaia, swf, philly, bruk"),
        (["--policy", "lifo"], "fifo, sjf, srtf, fair"),
        (["--backfill", "greedy"], "none, easy, conservative"),
        (["--policy", "srtf", "--backfill", "easy"], "preempts instead of backfilling"),
        (["--gpus", "12"], "no whole number of nodes"),
        (["--site", "nowhere"], "no site 'nowhere'"),
        (["--gpus", "0"], "gpus"),
    ],
)
def test_wrong_use_of_replay_is_told(bruk, trace, more, says):
    status, _, err = bruk("twin", "replay", trace, "--format", "gaia", "--gpus", "16", *more)
    assert status in (2, 3)
    assert says in err
