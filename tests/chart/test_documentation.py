"""What the pages for operators say of values is true of the chart."""

import re
from textwrap import dedent

import pytest

from tests.chart.chartkit import CHART, EXAMPLES, ROOT
from tests.chart.chartkit.values import defaults, documented

PAGES = [
    *(ROOT / "docs/operators" / name for name in ("kubernetes.md", "alerts.md")),
    *(
        CHART / name
        for name in ("README.md", "UPGRADING.md", "templates/_validate.tpl", "templates/NOTES.txt")
    ),
    EXAMPLES / "README.md",
]
VALUES = {".".join(value.path) for value in documented()}
FREE = {path for path in VALUES if path.endswith(("Annotations", "Labels", "annotations", "labels"))}
BLOCKS = [
    dedent(block)
    for page in PAGES
    for block in re.findall(r"^ *```yaml\n(.*?)^ *```", page.read_text(), re.DOTALL | re.MULTILINE)
]


def is_value(path):
    """Tell whether a path is of a value, of a section of them, or of something below a value."""
    below = any(path.startswith(f"{value}.") for value in (*FREE, "httpRoute.parentRefs"))
    return path in VALUES or below or any(value.startswith(f"{path}.") for value in VALUES)


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_every_value_that_a_page_names_exists(page):
    text = page.read_text()
    named = [path for path in re.findall(r"`([a-z]\w*(?:\.\w+)+)`", text) if path.split(".")[0] in defaults()]
    named += re.findall(r"--set(?:-string)? '?([\w.]+)", text)
    # Names that a template puts together end where the template begins.
    assert [path for path in named if not is_value(path.rstrip("."))] == []


def test_there_are_pieces_of_values_to_try():
    assert len(BLOCKS) >= 6


@pytest.mark.parametrize("block", BLOCKS, ids=lambda text: text.split(":")[0])
def test_every_piece_of_values_in_a_page_can_be_installed(helm, tmp_path, block):
    path = tmp_path / "values.yaml"
    path.write_text(block)
    assert helm.render(CHART / "ci" / "existing-secrets-values.yaml", path)


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_every_link_to_a_file_leads_somewhere(page):
    for link, anchor in re.findall(r"\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)", page.read_text()):
        target = (page.parent / link).resolve() if link else page
        assert target.exists(), link
        if anchor:
            headings = re.findall(r"^#+ (.+)$", target.read_text(), re.MULTILINE)
            anchors = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
            assert anchor in anchors, anchor
