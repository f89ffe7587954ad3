"""docs/codes.md is what the code says."""

import re

from scheduling.web.codes import catalogue
from scheduling.web.declarations import declarations
from tests.kit import codes_page

PLUGINS = ("analytics", "bookings", "notifications", "organizations", "reminders")


def test_the_catalogue_in_the_docs_is_made_of_the_code(start_app):
    written = codes_page.page(start_app(*PLUGINS).registry)
    assert codes_page.PATH.read_text() == written, "write it anew: .venv/bin/python -m tests.kit.codes_page"


def test_every_code_of_a_view_is_in_the_catalogue(start_app):
    registry = start_app(*PLUGINS).registry
    assert {code for view in declarations(registry) for code in view.codes} <= set(catalogue(registry))


def test_a_code_is_a_word_with_a_meaning(start_app):
    for code in catalogue(start_app(*PLUGINS).registry):
        assert re.fullmatch(r"[a-z]+(_[a-z]+)*", code.word)
        assert code.meaning.endswith(".")
        assert 400 <= code.status < 600
