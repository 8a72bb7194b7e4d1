"""Takes the README's picture: the console of a running Bruk, in headless Chromium.

    python docs/screenshot.py LOGIN_URL PATH FILE.png [PATH FILE.png ...] [dark|light]

``LOGIN_URL`` is the one-time link that ``bruk up`` or ``bruk demo`` prints; ``PATH`` is the page.
"""

import sys
from urllib.parse import urlsplit

from playwright.sync_api import sync_playwright

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def take(login_url: str, pages: list[tuple[str, str]], scheme: str, height: int) -> None:
    """Log in once and save a picture of each page."""
    parts = urlsplit(login_url)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=ARGUMENTS)
        page = browser.new_page(
            viewport={"width": 1280, "height": height}, color_scheme=scheme, device_scale_factor=1
        )
        page.goto(login_url)
        page.get_by_role("button").first.click()
        page.wait_for_url(f"{parts.scheme}://{parts.netloc}/**")
        for path, file in pages:
            page.goto(f"{parts.scheme}://{parts.netloc}{path}")
            page.wait_for_timeout(1500)
            page.screenshot(path=file)
        browser.close()


if __name__ == "__main__":
    url, *rest = sys.argv[1:]
    scheme = next((word for word in rest if word in ("dark", "light")), "light")
    pairs = [word for word in rest if word not in ("dark", "light")]
    take(url, list(zip(pairs[::2], pairs[1::2], strict=True)), scheme, 900)
