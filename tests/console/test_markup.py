"""Markup and script in every text that an outsider may give: on every page it is text, in a real browser."""

import json
import re
from urllib.parse import quote

import pytest
from pydantic import ValidationError

from bruk.control import access, data, inspection, invoices, jobs, prices, sites, switch, tenancy
from bruk.control.logs import Stream
from bruk.model.artifact import ArtifactKind
from bruk.model.errors import InvalidInput
from bruk.model.inspection import OperatorAccess
from bruk.model.run import Observed
from bruk.model.switch import Hold, HoldScope
from bruk.wire.access import InspectionBody
from bruk.wire.agent import NodeReport
from bruk.wire.requests import (
    CreditBody,
    InvoiceBody,
    KeyBody,
    PriceBody,
    ProjectChange,
    ResidencyBody,
    SiteChange,
    TenantChange,
)

from .chromium import MARKS, Watch
from .test_forms import _routes

pytestmark = MARKS

# Each place has a number of its own, so that a place where it is not text says which.
TEXT = (
    "\"'></title></textarea></script><script>window.__hit={0}</script>"
    "<img src=x{0} onerror=window.__hit={0}><svg onload=window.__hit={0}>{{{{7*7}}}}"
)
FOUND = """() => ({
  hit: window.__hit === undefined ? null : window.__hit,
  made: [...document.querySelectorAll("img, svg, script, iframe, object, base")]
    .filter((one) => one.onload || one.onerror || (one.tagName === "SCRIPT" && !one.src) ||
            (one.getAttribute("src") || "").startsWith("x")).map((one) => one.outerHTML),
  steered: [...document.querySelectorAll("*")].flatMap((one) => [...one.attributes])
    .filter((one) => one.name.startsWith("on")).map((one) => one.name),
})"""


def text(number: int) -> str:
    return TEXT.format(number)


def plant(cloud) -> str:
    """Give every text that people, programs, runs and agents may give; the id of a run under way."""
    control, operator, admin = cloud.control, cloud.operator, cloud.actors["acme"]
    sites.change_site(
        control,
        operator,
        "borlange",
        SiteChange(display_name=text(1), operator=text(2)[:200], pue_source=text(3)),
    )
    tenancy.change_tenant(
        control,
        operator,
        "acme",
        TenantChange(
            display_name=text(4)[:200], residency=ResidencyBody(operators=["Bruk AB", text(2)[:200]])
        ),
    )
    tenancy.change_project(control, operator, "acme/lab", ProjectChange(display_name=text(5)[:200]))
    access.create_key(control, admin, "acme/lab", KeyBody(name=text(6)[:200]))
    cloud.add_person("marked", "member", "acme", text(7)[:200])
    prices.set_price(control, operator, PriceBody(resource="device_time", item="x:y", price_microeur=1))
    cloud.submit(
        "marked",
        "acme/lab",
        "marked",
        command=["sh", "-c", text(8)],
        env={"MARK": text(9)},
        config={text(10)[:100]: text(11)},
        software={"kind": "venv", "reference": text(12)},
    )
    job = cloud.jobs["finetune-support"]
    run = cloud.newest_run(job)
    for stream in Stream:
        line = json.dumps({"phase": text(13), "step": 1, "loss": 2.0, text(14): text(15)}) + text(16) + "\n"
        control.logs.append(run.id, stream, control.logs.size(run.id, stream), line.encode())
    _agent(cloud, run)
    invoices.credit(control, operator, CreditBody(project="acme/lab", amount_microeur=5, note=text(30)))
    invoices.issue(control, operator, InvoiceBody(tenant="acme"))
    inspection.demand(control, admin, "acme", OperatorAccess.APPROVED)
    inspection.ask(control, operator, InspectionBody(project="acme/lab", reason=text(31)))
    inspection.ask(control, operator, InspectionBody(project="lumen/lab", reason=text(32)))
    switch.off(control, operator, HoldScope.TENANT, "nordic", text(33))
    _evaluation(cloud)
    return run.id


def _agent(cloud, run) -> None:
    """Everything that an agent may report, in its own words."""
    cloud.nodes["borlange"] += [
        NodeReport(
            name="marked",
            pool=text(20)[:200],
            accelerator=text(21)[:200],
            devices=1,
            cpu_milli=1,
            memory_bytes=1,
            domain=text(22)[:200],
        )
    ]
    hold = Hold("hold_1", HoldScope.LOCAL, text(23), 1, text(24), cloud.clock.now_ms(), text(25))
    cloud.observe(
        cloud.jobs["finetune-support"],
        Observed.RUNNING,
        detail=text(26),
        software=text(27),
        progress={text(28): text(29)},
        resumed_from_step=5,
    )
    cloud.sync("borlange", agent_version=text(34)[:200], boot_id=text(35)[:200], local_hold=hold)


def _evaluation(cloud) -> None:
    """A record of figures as a run writes it."""
    record = {"bits_per_byte": 1.5, "gzip_bits_per_byte": 2.0, "heldout_files": text(40), text(41): text(42)}
    actor = cloud.actors["acme"]
    check = cloud.submit("acme", "acme/lab", "judge", recipe="evaluate", evaluates="code-small")
    cloud.step()
    if not jobs.view(cloud.control, actor, check.id).runs:
        raise AssertionError(f"it waits: {jobs.waiting(cloud.control)[check.id]}")
    cloud.observe(check, Observed.RUNNING)
    digest, size = cloud.control.blobs.put("record", [json.dumps(record).encode()])
    output = {"name": "evaluation.json", "kind": "file", "digest": digest, "size_bytes": size}
    cloud.observe(check, Observed.EXITED, exit_code=0, outputs=[output])
    cloud.step()


def addresses(cloud) -> list[str]:
    """Every page and document of the console, with things of this cloud in its blanks."""
    with cloud.control.read() as connection:
        number = connection.exec_driver_sql("SELECT number FROM invoice").scalar_one()
        receipts = [row[0] for row in connection.exec_driver_sql("SELECT id FROM receipt")]
    people = [f"/people/{actor.id}" for actor in cloud.actors.values()]
    blanks = {
        "/sites/{name}": ["/sites/borlange", "/sites/essonne"],
        "/workloads/{workload}": [f"/workloads/{item.id}" for item in cloud.jobs.values()],
        "/workloads/{workload}/log": [f"/workloads/{cloud.jobs['finetune-support'].id}/log"],
        "/models/{model}": ["/models/code-small"],
        "/people/{user}": people,
        "/invoices/{number}": [f"/invoices/{number}"],
        "/switch/turn": ["/switch/turn?scope=site&target=borlange", "/switch/turn?scope=platform"],
        "/switch/receipts/{receipt}": [f"/switch/receipts/{one}" for one in receipts],
        "/switch/receipts/{receipt}/document": [f"/switch/receipts/{one}/document" for one in receipts],
        "/{path:path}": ["/nothing/%3Cimg%20src=x%20onerror=window.__hit=50%3E"],
    }
    none = {"/events", "/static/{name}", "/export/{chain}", "/ledger.csv", "/login"}
    none |= {"/switch/receipts/{receipt}/sealed"}
    found = []
    for route in _routes(cloud.app().routes):
        if "GET" in route.methods and route.path not in none:
            found += blanks.get(route.path, [] if "{" in route.path else [route.path])
            assert "{" not in route.path or route.path in blanks, f"no page of {route.path} is walked"
    return found


def test_nothing_that_outsiders_give_runs_on_any_page(cloud, browser, served):
    run = plant(cloud)
    seen = set()
    with served(cloud.app()) as there:
        for who in ("operator", "auditor", "acme"):
            watch = Watch(browser, there.url)
            dialogs = []
            watch.page.on(
                "dialog", lambda dialog, dialogs=dialogs: (dialogs.append(dialog), dialog.dismiss())
            )
            watch.enter(cloud.logins[who])
            for path in addresses(cloud):
                watch.page.goto(there.url + path)
                found = watch.page.evaluate(FOUND)
                assert found == {"hit": None, "made": [], "steered": []}, f"{path} as {who}: {found}"
                shown = watch.page.content() + watch.page.evaluate("document.body.innerText")
                assert "49}}" not in shown, path
                seen |= {int(number) for number in re.findall(r"__hit=(\d+)", shown)}
            assert dialogs == []
            refused = "Failed to load resource: the server responded with a status of"
            watch.complaints = [said for said in watch.complaints if not said.startswith(refused)]
            watch.check()
    # Of each kind of text something was shown, so the walk has looked where it stands.
    assert seen >= {1, 3, 4, 6, 7, 8, 9, 10, 11, 12, 16, 20, 21, 25, 26, 27, 30, 31, 33, 40, 50}, sorted(seen)
    assert run


def test_nothing_in_an_address_runs_for_a_stranger(cloud, browser, served):
    given = quote(text(60), safe="")
    with served(cloud.app()) as there:
        watch = Watch(browser, there.url)
        for path in (
            f"/login?token={given}",
            f"/nothing/{given}",
            f"/static/{given}",
            f"/login?{given}={given}",
        ):
            watch.page.goto(there.url + path)
            assert watch.page.evaluate(FOUND) == {"hit": None, "made": [], "steered": []}, path
        watch.page.goto(f"{there.url}/login?token={given}")
        watch.page.get_by_role("button", name="Log in").click()
        watch.page.get_by_text("link").first.wait_for()
        assert watch.page.evaluate(FOUND) == {"hit": None, "made": [], "steered": []}


def test_names_that_stand_in_addresses_are_plain_from_the_start(cloud):
    for name in (text(1), "a/b", "..", "\u202ea", "a b"):
        with pytest.raises(ValidationError):
            cloud.submit("acme", "acme/lab", name, command=["x"])
        with pytest.raises(InvalidInput):
            data.put(cloud.control, cloud.actors["acme"], "acme/lab", name, ArtifactKind.FILE, [b"x"])
