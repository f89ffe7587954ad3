"""The catalogue of codes in the docs, made of the code: ``python -m tests.kit.codes_page`` writes it."""

from pathlib import Path
from tempfile import gettempdir

from scheduling.app import make_app
from scheduling.startup import set_up
from scheduling.testing.site import SETTINGS
from scheduling.web.codes import catalogue

PATH = Path(__file__).parents[2] / "docs/codes.md"

HEAD = """# Codes of problems

Every problem has a `code`, a stable word for programs, beside `error`, a sentence for people that may change.
These are the codes of Scheduling and of the plugins that come with it; other plugins may add theirs. A status
that is not listed here has its own name as its code, such as `gone` for 410; 429 is `rate_limited`.

| code | status | meaning |
|---|---|---|
"""


def page(registry):
    """Return the page."""
    rows = (f"| `{code.word}` | {code.status} | {code.meaning} |\n" for code in catalogue(registry))
    return HEAD + "".join(rows)


def main():
    ini = {
        **SETTINGS,
        # Nothing is asked of it.
        "scheduling.database_url": f"sqlite:///{gettempdir()}/nothing.db",
        "scheduling.plugins": "analytics bookings notifications organizations reminders",
    }
    PATH.write_text(page(make_app(set_up(ini, {}), ini).registry))


if __name__ == "__main__":
    main()
