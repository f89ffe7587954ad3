"""The examples of docs/api.md and docs/bookings.md, run as they are written, answer as is shown there."""

import re
import shutil
from pathlib import Path

import pytest

from scheduling.testing.processes import Installation
from tests.kit import tours

ROOT = Path(__file__).parents[1]
GUIDE = (ROOT / "docs/api.md").read_text()

pytestmark = pytest.mark.skipif(not shutil.which("curl"), reason="no curl")


@pytest.fixture
def installation(tmp_path):
    """``make run``'s server with an empty database and a port of its own."""
    url = f"sqlite:///{tmp_path}/scheduling.db"
    limits = {"RATE_LIMIT_ENABLED": "true"}
    with Installation(tmp_path, ROOT / "development.ini", url, redis_url="", environ=limits) as installation:
        installation.upgrade()
        installation.web.start().wait_until_ready()
        yield installation


@pytest.mark.parametrize("page", ["api.md", "bookings.md"])
def test_every_example_answers_as_shown(installation, tmp_path, page):
    examples = tours.commands((ROOT / "docs" / page).read_text())
    outputs = tours.run([command for command, _ in examples], installation, tmp_path)
    for (command, shown), output in zip(examples, outputs, strict=True):
        assert tours.masked(output) == tours.masked(shown), command


def test_every_part_of_the_guide_that_has_a_rule_shows_it():
    # What is run is in console blocks: an example in another kind of block would go stale.
    assert set(re.findall(r"^```(\w*)$", GUIDE, re.MULTILINE)) == {"console", ""}
    parts = re.split(r"^## ", GUIDE[: GUIDE.index("## What calls mean")], flags=re.MULTILINE)[1:]
    untold = [part.partition("\n")[0] for part in parts if "```console" not in part]
    assert untold == ["What changes and what stays"]
