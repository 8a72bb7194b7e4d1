"""The generated pages say what the code says, and leave nothing out."""

import re

import pytest

from bruk.api.app import create_api
from bruk.gateway.problem import CODES
from bruk.model import artifact, inspection, ledger, reason, run, site, switch, tenant, workload

STATES = [
    run.Observed,
    run.RunWanted,
    run.StopReason,
    workload.Wanted,
    workload.Outcome,
    workload.Purpose,
    artifact.Stage,
    artifact.GateRule,
    reason.ReasonCode,
    switch.HoldScope,
    switch.EnforcerKind,
    ledger.Resource,
    ledger.Quality,
    tenant.Role,
    inspection.InspectionState,
    inspection.OperatorAccess,
    site.EngineKind,
    site.CutOffPolicy,
    site.Isolation,
    site.NodeHealth,
]


def _page(docs, name):
    return (docs / "reference" / name).read_text("utf-8")


def test_generated_pages_are_up_to_date(generate):
    assert [str(path) for path in generate.stale()] == [], "run: python docs/generate.py"


def test_generating_twice_gives_the_same_bytes(generate):
    assert generate.pages() == generate.pages()


def test_every_command_and_option_has_its_place(docs, generate):
    from generator.commands import walk

    page = _page(docs, "cli.md")
    commands = list(walk())
    assert len(commands) > 40
    for name, command in commands[1:]:
        assert re.search(rf"^##+ {name}$", page, re.M), f"{name} is not documented"
        section = re.split(rf"^##+ {name}$", page, flags=re.M)[1].split("\n#", 1)[0]
        for parameter in command.params:
            if parameter.opts[0].startswith("-") and parameter.name not in ("help", "json"):
                assert f"`{parameter.opts[0]}`" in section, f"{name} {parameter.opts[0]}"
            if parameter.opts[0].startswith("-"):
                assert parameter.help, f"{name} {parameter.opts[0]} says nothing of itself"


def test_every_error_code_stands_in_the_reference(docs, generate):
    from generator.errors import all_errors

    page = _page(docs, "errors.md")
    found = all_errors()
    assert len(found) > 30
    for kind in found:
        assert f"`{kind.code}`" in page, kind
        assert kind.__doc__, kind
    for code in CODES:
        assert f"`{code}`" in page


def test_an_error_class_that_is_new_would_be_noticed(generate):
    from generator.errors import all_errors

    from bruk.model.errors import Conflict

    class Odd(Conflict):
        """Not of the package."""

        code = "odd"

    assert Odd not in all_errors()
    Odd.__module__ = "bruk.odd"
    assert Odd in all_errors()
    Odd.__module__ = __name__


@pytest.mark.parametrize("states", STATES, ids=lambda states: states.__name__)
def test_every_state_stands_in_the_reference(docs, states):
    page = _page(docs, "states.md")
    for state in states:
        assert f"`{state.value}`" in page, f"{states.__name__}.{state.name}"


def test_diagrams_show_every_state_and_every_transition(docs, generate):
    from generator.states import TABLES

    for key, (states, legal) in TABLES.items():
        picture = (docs / "reference" / "diagrams" / f"{key}.svg").read_text("utf-8")
        for state in states:
            assert f">{state.value}</text>" in picture
        edges = sum(len(after) for after in legal.values())
        assert picture.count("marker-end") == edges


def test_every_route_stands_in_the_reference(docs, generate):
    page = _page(docs, "api.md").replace("&#123;", "{").replace("&#125;", "}")
    for path, methods in create_api(None).openapi()["paths"].items():
        for method in methods:
            assert f"### {method.upper()} {path}\n" in page


def test_every_variable_stands_in_the_reference_and_is_used(docs, generate):
    from generator.tables import VARIABLES, variables_in_code

    page = _page(docs, "environment.md")
    used = variables_in_code()
    assert used
    for name in used:
        assert f"`{name}`" in page, f"{name} is not documented"
    assert {name for name, _, _ in VARIABLES} == used, "what is documented is used"


def test_every_exit_status_stands_in_the_reference(docs):
    from bruk.cli.exits import MEANINGS

    page = _page(docs, "cli.md")
    for status, meaning in MEANINGS.items():
        assert f"| {status} | {meaning} |" in page


def test_every_shipped_figure_stands_with_its_source(docs):
    from bruk.facility.tables import TABLES, table

    page = _page(docs, "data.md")
    for name in TABLES:
        for rows in table(name).values():
            for row in rows.values():
                if not row.quantity.startswith("hour_"):
                    assert f"| {row.subject} | {row.quantity} | {row.value} |" in page
