"""Pages of data: the shipped tables with their sources, and the environment variables."""

import re
from pathlib import Path

import bruk
from bruk.facility.tables import TABLES
from bruk.facility.tables import table as shipped
from generator.source import table

PACKAGE = Path(bruk.__file__).parent
TITLES = {
    "accelerators": "Accelerators",
    "carbon_intensity": "Carbon intensity of grid zones",
    "energy_price": "Price of energy",
    "failures": "Failures of large fleets",
    "prices": "Example prices",
    "sites": "Reference sites",
    "thresholds": "Thresholds of law",
}

# Name, where it counts, meaning.
VARIABLES: list[tuple[str, str, str]] = [
    ("BRUK_HOME", "every command", "Bruk's home folder; `~/.bruk` if unset."),
    ("BRUK_URL", "every command that asks control", "Address of control; else that of `HOME/cli.json`."),
    ("BRUK_TOKEN", "every command that asks control", "A person's token or a project's API key."),
    ("BRUK_PROJECT", "commands with `--project`", "The project, `tenant/name`."),
    (
        "BRUK_DATABASE_URL",
        "`up`, `database`",
        "Address of a PostgreSQL server's database, or `@FILE` that holds it; the home remembers it.",
    ),
    (
        "BRUK_LOG",
        "`up`, `agent`, `gateway`",
        "Level of the log on stderr: `DEBUG`, `INFO` (the default), `WARNING`, `ERROR`.",
    ),
    (
        "BRUK_HOSTS",
        "`up`",
        "Host names, with commas, under which a proxy in front reaches control, beside this machine's own.",
    ),
    (
        "BRUK_SLOTS",
        "`agent`, and `up` for its agents",
        "Device slots that a site without accelerators gives out; else one a core.",
    ),
    (
        "BRUK_ISOLATION",
        "`agent`, and `up` for its agents",
        "What keeps runs apart: `auto` (the default) takes the sandbox where bubblewrap works, `sandbox` "
        "refuses to start without it, `none` goes without.",
    ),
    ("BRUK_CLOCK", "agents and gateways of `bruk up`", "The line of time they share; internal."),
    (
        "BRUK_SOFTWARE",
        "`agent`, and `up` for its agents",
        "Folders, with `:` between them, in which jobs may name virtual environments and which every run may "
        "read; none by default.",
    ),
    (
        "BRUK_ATTACH",
        "`up`",
        "Servers that operators may attach to endpoints, as `HOST:PORT` with spaces between them, such as "
        "`10.0.0.5:8000`; none by default.",
    ),
    (
        "BRUK_EGRESS",
        "`agent`, and `up` for its agents",
        "Destinations that jobs may declare under `network`, with spaces between them, such as "
        "`pypi.org:443 *.data.example:443`; none by default. An address that is not of the public internet "
        "is reached only where it stands here itself, with its port.",
    ),
    ("BRUK_RUN_ID", "a run", "Identifier of the run."),
    ("BRUK_WORKLOAD_ID", "a run", "Identifier of the job or endpoint."),
    ("BRUK_SITE", "a run", "Name of the site."),
    ("BRUK_CHECKPOINT_DIR", "a run", "Folder for checkpoints; kept at the site from attempt to attempt."),
    ("BRUK_DATA_DIR", "a run", "Folder with the inputs, each under its name; not to be written."),
    ("BRUK_OUTPUT_DIR", "a run", "Folder for outputs; those that the job names are kept when it succeeds."),
    (
        "BRUK_PROGRESS_FILE",
        "a run",
        "File for progress: one JSON object a line, with `step` and any figures.",
    ),
    ("BRUK_PORT", "a replica", "Port on 127.0.0.1 to serve at."),
    ("BRUK_REPLICA_KEY", "a replica", "Bearer token to demand on everything but `GET /health`."),
    ("BRUK_RUN_MARK", "a run", "Mark by which the supervisor finds strays again; leave it alone."),
    ("BRUK_RUN_GENERATION", "the supervisor", "Generation of the run that it supervises; internal."),
]
OTHERS: list[tuple[str, str]] = [
    ("PATH", "The folder of the run's Python, then `/usr/local/bin`, `/usr/bin`, `/bin`."),
    ("HOME, TMPDIR", "Folders of the run's own."),
    ("LANG", "`C.UTF-8`."),
    (
        "HTTP_PROXY, HTTPS_PROXY, NO_PROXY",
        "Also in lower case, in a job that declares `network`: the proxy on the run's own loopback.",
    ),
    ("PYTHONUNBUFFERED", "`1`, so that logs are live."),
    ("OMP_NUM_THREADS", "The number of CPU slots; 1 where the devices are accelerators."),
    ("HF_HUB_OFFLINE", "`1`: nothing is fetched from a model hub."),
    ("MASTER_ADDR, MASTER_PORT, NNODES, NPROC_PER_NODE", "Rendezvous for torchrun."),
    ("CUDA_VISIBLE_DEVICES", "The devices given, where they are NVIDIA's."),
    ("ROCR_VISIBLE_DEVICES", "The devices given, where they are AMD's."),
]
_USED = re.compile(r"\bBRUK_[A-Z_]+\b")


def variables_in_code() -> set[str]:
    """Every name of the form ``BRUK_…`` in the sources."""
    return {name for file in PACKAGE.rglob("*.py") for name in _USED.findall(file.read_text("utf-8"))}


def environment_page() -> str:
    """The page of environment variables."""
    missing = variables_in_code() - {name for name, _, _ in VARIABLES}
    assert not missing, f"say in docs/generator/tables.py what {sorted(missing)} mean"
    return "\n".join(
        [
            "# Environment variables\n",
            table(
                ["Variable", "Read or set for", "Meaning"],
                [[f"`{n}`", where, text] for n, where, text in VARIABLES],
            ),
            "## What else a run finds\n",
            "A run inherits nothing from Bruk's own environment. The job's `[env]` comes first and cannot set"
            " what stands here or begins with `BRUK_`, except `LANG` and the like that only have defaults.\n",
            table(["Variable", "Value"], [[f"`{name}`", text] for name, text in OTHERS]),
        ]
    )


def data_page() -> str:
    """The page of shipped tables."""
    parts = [
        "# Shipped data\n",
        "Every figure that Bruk ships stands in a table with value, unit, source and the day it was looked"
        " up. A source that begins with *unverified* or *assumed* names a figure that no document backs:"
        " replace it by a measurement or a contract before you rely on it.\n",
    ]
    for name in TABLES:
        parts.append(f"## {TITLES[name]}\n")
        rows = [
            [row.subject, row.quantity, row.value, row.unit, row.source, row.retrieved]
            for subject in shipped(name).values()
            for row in subject.values()
            if not row.quantity.startswith("hour_")
        ]
        parts.append(table(["Subject", "Quantity", "Value", "Unit", "Source", "Retrieved"], rows))
        if name == "carbon_intensity":
            parts.append("The table also holds the mean of each UTC hour of the day, by the same source.\n")
    return "\n".join(parts)
