"""Chromium, and a page in it that is watched."""

from pathlib import Path

import pytest

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # A name for which browsers send no Sec-Fetch-Site over plain HTTP, unlike for the loopback's own.
    "--host-resolver-rules=MAP bruk.example 127.0.0.1",
]

MARKS = [
    pytest.mark.chromium,
    pytest.mark.slow,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="Debian's chromium package is not installed"),
]


class Watch:
    """A page, and everything that it asked for or complained about."""

    def __init__(self, browser, origin, **options):
        self.page = browser.new_context(**options).new_page()
        self.origin = origin
        self.addresses: list[str] = []
        self.complaints: list[str] = []
        self.page.on("request", lambda request: self.addresses.append(request.url))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on(
            "console",
            lambda said: self.complaints.append(said.text) if said.type in ("error", "warning") else None,
        )

    def enter(self, secret):
        self.page.goto(f"{self.origin}/login?token={secret}")
        self.page.get_by_role("button", name="Log in").click()
        self.page.get_by_role("heading", name="Overview").wait_for()

    def check(self):
        assert self.complaints == []
        assert self.addresses
        assert [url for url in self.addresses if not url.startswith(self.origin + "/")] == []
