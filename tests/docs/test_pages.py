"""The pages hold together: links resolve, every page is reached, nothing comes from another server."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([*DOCS.rglob("*.md"), *(ROOT / name for name in ("CONTRIBUTING.md", "CHANGELOG.md"))])
# Relative links of Markdown, outside of code.
_LINK = re.compile(r"(?<!`)\[[^\]]*\]\(([^)\s]+)\)")
_CODE = re.compile(r"```.*?```|`[^`\n]*`", re.S)


def _anchors(text: str) -> set[str]:
    """Anchors of a page: its headings as MkDocs makes them, and those that are written out."""
    found = set(re.findall(r'<a id="([^"]+)"', text))
    for heading in re.findall(r"^#+ (.*)$", _fenced_out(text), re.M):
        plain = re.sub(r"&#\d+;", "", heading.replace("`", ""))
        slug = re.sub(r"[^\w\s-]", "", plain).strip().lower()
        found.add(re.sub(r"[-\s]+", "-", slug))
    return found


def _fenced_out(text: str) -> str:
    return re.sub(r"^```.*?^```", "", text, flags=re.S | re.M)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_resolve(page):
    text = page.read_text("utf-8")
    for target in _LINK.findall(_CODE.sub("", text)):
        if target.startswith(("http://", "https://", "mailto:")):
            continue
        path, _, anchor = target.partition("#")
        found = (page.parent / path).resolve() if path else page
        assert found.is_file(), f"{target} leads nowhere"
        if anchor:
            assert anchor in _anchors(found.read_text("utf-8")), f"{target}: there is no such heading"


def test_every_page_is_in_the_navigation_or_among_the_decisions():
    navigation = (ROOT / "mkdocs.yml").read_text("utf-8")
    listed = (DOCS / "decisions" / "index.md").read_text("utf-8")
    for page in sorted(DOCS.rglob("*.md")):
        name = str(page.relative_to(DOCS))
        if page.parent.name == "decisions" and page.name != "index.md":
            assert f"({page.name})" in listed, f"name {page.name} in docs/decisions/index.md"
        else:
            assert name in navigation, f"name {name} in mkdocs.yml"


def test_decisions_are_numbered_once():
    numbers = [page.name[:4] for page in (DOCS / "decisions").glob("[0-9]*.md")]
    assert len(numbers) == len(set(numbers))
    assert len(numbers) >= 16


def test_decisions_say_what_was_rejected():
    for page in (DOCS / "decisions").glob("[0-9]*.md"):
        assert re.search(r"^## .*rejected", page.read_text("utf-8"), re.M | re.I), page.name


@pytest.mark.slow
def test_the_documentation_builds_strictly_and_asks_nobody_else(tmp_path):
    mkdocs = Path(sys.executable).with_name("mkdocs")
    if not mkdocs.exists():
        pytest.skip("mkdocs is not installed: it comes with the extra 'dev'")
    done = subprocess.run(
        [mkdocs, "build", "--strict", "--quiet", "--site-dir", tmp_path / "site"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    built = list((tmp_path / "site").rglob("*.html"))
    assert len(built) >= 30
    for page in built:
        loads = re.findall(
            r'<(?:script|img|link|iframe)\b[^>]*?(?:src|href)="(https?:)?//', page.read_text("utf-8")
        )
        assert not loads, f"{page.name} asks another server"
