"""All Markdown wraps at 110 columns, its links lead somewhere, and decisions have one shape."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
WIDTH = 110
FOLDERS = ("docs", "bench", "charts", "examples")
PAGES = sorted([*ROOT.glob("*.md"), *(page for folder in FOLDERS for page in ROOT.glob(f"{folder}/**/*.md"))])


DECISIONS = sorted(path for path in (ROOT / "docs/decisions").glob("*.md") if path.name != "README.md")


def prose(text):
    """Yield the numbers and lines outside of code blocks and tables."""
    is_fenced = is_indented = False
    before = ""
    for number, line in enumerate(text.splitlines(), 1):
        is_fence = line.lstrip().startswith("```")
        is_fenced ^= is_fence
        # Four spaces begin a code block after an empty line, unless they continue an item of a list.
        is_indented = line.startswith("    ") and (is_indented or not before)
        before = line.strip()
        if not (is_fence or is_fenced or is_indented or before.startswith("|")):
            yield number, line


def headings(text):
    """Return the anchors of a page's headings, as GitHub makes them."""
    without_code = re.sub(r"^ *```.*?^ *```", "", text, flags=re.DOTALL | re.MULTILINE)
    found = re.findall(r"^#+ (.+)$", without_code, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in found}


def ids(page):
    return str(page.relative_to(ROOT))


def test_code_and_tables_are_no_prose():
    text = "a\n\n```\nb\n```\n| c |\n\n    d\n    e\n\nf\n    g"
    assert [line for _, line in prose(text)] == ["a", "", "", "", "f", "    g"]


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_lines_wrap(page):
    assert [number for number, line in prose(page.read_text()) if len(line) > WIDTH] == []


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_links_lead_somewhere(page):
    for link, anchor in re.findall(r"\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)", page.read_text()):
        target = (page.parent / link).resolve() if link else page
        assert target.exists(), link
        if anchor:
            assert anchor in headings(target.read_text()), anchor


@pytest.mark.parametrize("page", DECISIONS, ids=ids)
def test_a_decision_has_three_headings_and_fits_a_screen(page):
    lines = page.read_text().splitlines()
    assert [line for line in lines if line.startswith("##")] == [
        "## Context",
        "## Decision",
        "## Consequences",
    ]
    assert len(lines) <= 45
    assert f"({page.name})" in (page.parent / "README.md").read_text()
