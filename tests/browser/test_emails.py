"""Every e-mail in a real browser: it can be read, light and dark, also where it is narrow."""

import pytest
from axe_playwright_python.sync_playwright import Axe

from scheduling.email.brand import Brand

BRANDS = {
    "dark blue": Brand(name="Acme Dental", frontend_url="https://app.example.com"),
    "yellow": Brand(
        name="A name that is as long as a name can be, of sixty characters",
        color="#ffd24d",
        frontend_url="https://app.example.com",
        unsubscribe_url="https://app.example.com/preferences",
    ),
    "black": Brand(color="#000000", frontend_url="https://app.example.com"),
}
LONG = {"title": "W" * 300, "location": "https://example.com/" + "x" * 300, "time_zone": "Asia/Kathmandu"}
# A page has landmarks and a heading of the first level; an e-mail is shown in somebody else's page.
NOT_OF_EMAILS = {"landmark-one-main", "page-has-heading-one", "region"}


@pytest.fixture(params=BRANDS)
def mails(served, monkeypatch, request):
    """Every kind, with texts as long as they can be."""
    templates = served.registry.email_templates
    monkeypatch.setattr(templates, "_brand", BRANDS[request.param])
    return {
        kind: templates.render(kind, "Alexandra " * 9, {**sample, **LONG}, "Europe/Berlin", optional=True)
        for kind, sample in templates.samples.items()
    }


@pytest.fixture
def page(chromium, request):
    """A page of given colours and width."""
    colours, width = request.param
    context = chromium.new_context(color_scheme=colours, viewport={"width": width, "height": 800})
    yield context.new_page()
    context.close()


@pytest.mark.parametrize(
    "page", [("light", 1280), ("dark", 640), ("light", 375), ("dark", 320)], indirect=True
)
def test_an_email_can_be_read(mails, page):
    for kind, mail in mails.items():
        page.set_content(mail.html)
        found = Axe().run(page).response["violations"]
        assert {rule["id"]: rule["nodes"] for rule in found if rule["id"] not in NOT_OF_EMAILS} == {}, kind
        width = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert width == 0, f"{kind} is wider than the window"
        assert page.locator(".card").bounding_box()["width"] <= 600
        is_dark = page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
        ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert ground == ("rgb(23, 24, 28)" if is_dark else "rgb(242, 243, 246)")
