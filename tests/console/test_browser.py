"""The console in a real browser: what an operator does, what a tenant sees live, and that nothing leaves."""

import json
import re

from bruk.control import gateways, switch
from bruk.control.logs import Stream
from bruk.model.run import Observed
from bruk.model.switch import Acknowledgement, EnforcerKind
from bruk.model.tenant import Actor
from bruk.wire.gateway import GatewaySync

from .chromium import MARKS, Watch

pytestmark = MARKS


def test_an_operator_looks_around_and_turns_a_site_off_and_on(cloud, browser, served):
    with served(cloud.app()) as there:
        watch = Watch(browser, there.url)
        page = watch.page
        watch.enter(cloud.logins["operator"])
        for title in ["Workloads", "Models", "Endpoints", "Playground", "Ledger", "Invoices", "Switch"]:
            page.get_by_role("navigation").get_by_role("link", name=title, exact=True).click()
            page.get_by_role("heading", name=title, level=1).wait_for()
        page.get_by_role("link", name="Overview").click()
        page.get_by_role("link", name="Turn off Borlänge").click()
        page.get_by_label("Why").fill("cooling pump <2>")
        page.get_by_role("button", name="Turn site borlange off").click()
        page.get_by_text("Not proven: no word yet from").wait_for()
        with cloud.control.read() as connection:
            assert [hold.target for hold in switch.state(connection).holds] == ["borlange"]

        # The agents and the gateway answer, and the receipt completes itself under the reader's eyes.
        cloud.step()
        _everyone_answers(cloud)
        cloud.step()
        page.get_by_text("Nothing is left running.").wait_for()
        page.get_by_role("link", name="Overview").click()
        page.get_by_text("cooling pump <2>").wait_for()
        page.get_by_role("link", name="Turn on Borlänge").click()
        page.get_by_role("button", name="Turn site borlange on").click()
        page.get_by_text(re.compile("Released")).wait_for()
        page.get_by_role("link", name="Audit log").click()
        page.get_by_role("button", name="Check the log now").click()
        page.get_by_text("The audit log holds.").wait_for()
        page.get_by_role("button", name="Log out").click()
        page.get_by_text("There are no passwords here.").wait_for()
        watch.check()


def _everyone_answers(cloud):
    cloud.observe(cloud.jobs["finetune-support"], Observed.EXITED, exit_code=143)
    with cloud.control.read() as connection:
        generation = switch.state(connection).generation
    said = Acknowledgement(EnforcerKind.GATEWAY, "gw-essonne", generation, cloud.clock.now_ms())
    request = GatewaySync(
        gateway="gw-essonne", journal="journal-gw", now_ms=cloud.clock.now_ms(), acknowledgement=said
    )
    gateways.receive(cloud.control, Actor("gateway", "gw-essonne", site="essonne"), request)


def test_a_log_and_a_curve_grow_while_they_are_looked_at(cloud, browser, served):
    workload = cloud.jobs["finetune-support"]
    run, logs = cloud.newest_run(workload).id, cloud.control.logs
    with served(cloud.app()) as there:
        watch = Watch(browser, there.url, viewport={"width": 390, "height": 800}, color_scheme="dark")
        page = watch.page
        watch.enter(cloud.logins["acme"])
        page.goto(f"{there.url}/workloads/{workload.id}")
        page.locator("pre.log").get_by_text("step=236").wait_for()
        for number in range(3):
            line = f"a new line <i>{number}</i> æ\n".encode()
            logs.append(run, Stream.LOG, logs.size(run, Stream.LOG), line)
            page.get_by_text(f"a new line <i>{number}</i> æ").wait_for()
        assert page.locator("pre.log").inner_text().count("a new line") == 3
        point = json.dumps({"phase": "train", "step": 500, "loss": 1.234}).encode() + b"\n"
        logs.append(run, Stream.PROGRESS, logs.size(run, Stream.PROGRESS), point)
        page.get_by_text("1.234").first.wait_for()
        too_wide = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
        assert page.evaluate(too_wide) is False
        watch.check()


def test_the_playground_talks_and_says_what_it_cost(cloud, browser, served, stand_in):
    with served(cloud.app()) as there:
        watch = Watch(browser, there.url)
        page = watch.page
        watch.enter(cloud.logins["acme"])
        page.goto(f"{there.url}/playground")
        page.get_by_label("API key").fill("bk_good")
        page.get_by_label("Your words").fill("hej")
        page.keyboard.press("Enter")
        page.get_by_text("<b>def</b> main():").wait_for()
        page.get_by_text("Together 1,200 tokens in, 3 out, about 0.000181 EUR.").wait_for()
        page.get_by_label("Complete a text").check()
        page.get_by_label("Your words").fill("import os")
        page.get_by_role("button", name="Send").click()
        page.get_by_text("import os<b>def</b> main():").wait_for()
        assert [asked["path"] for asked in stand_in.asked] == ["/v1/chat/completions", "/v1/completions"]
        assert "bk_good" not in page.evaluate("JSON.stringify([localStorage, sessionStorage])")
        watch.check()


def test_a_page_that_is_open_elsewhere_goes_to_the_login_when_the_session_ends(cloud, browser, served):
    with served(cloud.app()) as there:
        watch = Watch(browser, there.url)
        watch.enter(cloud.logins["operator"])
        other = watch.page.context.new_page()
        other.goto(f"{there.url}/workloads")
        other.get_by_role("heading", name="Workloads").wait_for()
        watch.page.get_by_role("button", name="Log out").click()
        other.wait_for_url(f"{there.url}/login")
        # A fragment asked for just as the session ended is refused, and the browser says so.
        watch.complaints = [said for said in watch.complaints if "401 (Unauthorized)" not in said]
        watch.check()


def test_an_operator_asks_for_a_log_and_its_tenant_sees_who_looked(cloud, browser, served, tmp_path):
    job = cloud.jobs["finetune-support"].id
    with served(cloud.app()) as there:
        watch = Watch(browser, there.url)
        page = watch.page
        watch.enter(cloud.logins["operator"])
        page.goto(f"{there.url}/workloads/{job}")
        page.get_by_text("This log is acme/lab's own.").wait_for()
        assert "loss=" not in page.content()
        page.screenshot(path=tmp_path / "refused.png", full_page=True)
        page.get_by_label("Why").fill("ticket 42")
        page.get_by_role("button", name="Ask to look").click()
        page.locator("pre.log").get_by_text("train: step=").first.wait_for()
        watch.check()
        tenant = Watch(browser, there.url)
        tenant.enter(cloud.logins["acme"])
        tenant.page.get_by_role("navigation").get_by_role("link", name="Operator access").click()
        tenant.page.get_by_text("ticket 42").wait_for()
        tenant.page.get_by_text("Looked at").first.click()
        assert tenant.page.get_by_text("/log").count() == 1
        tenant.page.screenshot(path=tmp_path / "access.png", full_page=True)
        tenant.page.get_by_role("button", name="End it").click()
        tenant.page.get_by_role("button", name="Demand to be asked first").click()
        tenant.page.get_by_text("says yes before an operator may look").wait_for()
        tenant.check()
        page.goto(f"{there.url}/workloads/{job}")
        page.get_by_text("This log is acme/lab's own.").wait_for()


def test_forms_work_over_plain_http_where_a_browser_does_not_say_which_site_sends(cloud, browser, served):
    with served(cloud.app()) as there:
        watch = Watch(browser, there.url.replace("127.0.0.1", "bruk.example"))
        told = []
        watch.page.on("request", lambda request: told.append(request) if request.method == "POST" else None)
        watch.enter(cloud.logins["operator"])
        watch.page.get_by_role("button", name="Log out").click()
        watch.page.get_by_text("There are no passwords here.").wait_for()
        sent = [request.all_headers() for request in told]
        assert [headers.get("origin") for headers in sent] == [watch.origin] * 2
        assert not any("sec-fetch-site" in headers for headers in sent)
