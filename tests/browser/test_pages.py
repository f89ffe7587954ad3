"""``/`` and ``/docs`` in Chromium: readable in both colours and on a narrow screen; their policies hold."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import PREFIX

COLOURS = ["light", "dark"]
WIDTHS = [320, 1280]

# Faults of Swagger UI 5.35 itself, by axe-core's names. Whoever renews it looks whether they are still there.
SWAGGER_FAULTS = {
    "heading-order": "its tags are h3 below an h1",
    "nested-interactive": "a button has a link in it, the path",
    "region": "its title and its description are in no landmark",
    "label": "the field of a body has no label",
    "select-name": "the choice between examples has no label",
    "scrollable-region-focusable": "a line of curl that is cut off cannot be scrolled by keys",
}


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("colours", COLOURS)
def test_the_home_page(visit, colours, width):
    home = visit("/", colours, width)
    assert home.page.get_by_role("heading", level=1).inner_text().startswith("Scheduling")
    assert home.faults() == {}
    assert (home.complaints, home.foreign) == ([], [])
    assert is_as_wide_as_its_window(home.page)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("colours", COLOURS)
def test_the_page_of_the_api(visit, colours, width):
    docs = visit("/docs", colours, width)
    docs.page.locator('.opblock[id$="-create_booking"]').wait_for()
    assert not unknown(docs.faults())
    assert (docs.complaints, docs.foreign) == ([], [])
    assert is_as_wide_as_its_window(docs.page)


@pytest.mark.parametrize("colours", COLOURS)
def test_the_page_while_a_call_is_tried(visit, colours):
    docs = visit("/docs", colours)
    docs.call("create_booking", {"title": "Retro"})
    assert not unknown(docs.faults())


def is_as_wide_as_its_window(page):
    return page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def unknown(faults):
    return {rule: targets for rule, targets in faults.items() if rule not in SWAGGER_FAULTS}


def test_the_page_follows_the_systems_colours(visit):
    docs = visit("/docs", "light")
    docs.page.locator(".opblock").first.wait_for()
    root = docs.page.locator("html")
    expect(root).not_to_have_class("dark-mode")
    docs.page.emulate_media(color_scheme="dark")
    expect(root).to_have_class("dark-mode")
    assert not unknown(docs.faults())


def test_without_scripts_the_page_leads_to_the_document(visit):
    docs = visit("/docs", java_script_enabled=False)
    docs.page.get_by_role("link", name="OpenAPI document").click()
    assert '"openapi":"3.1' in docs.page.content()


def test_the_keyboard_reaches_the_content_first(visit):
    home = visit("/")
    home.page.keyboard.press("Tab")
    expect(home.page.get_by_role("link", name="Skip to the content")).to_be_in_viewport()
    home.page.keyboard.press("Enter")
    expect(home.page.locator("#main")).to_be_focused()


def test_a_log_in_that_meets_the_page_of_a_proxy_is_told_in_a_sentence(visit):
    page = visit("/docs").page
    away = {"status": 502, "content_type": "text/html", "body": "<h1>Bad Gateway</h1>"}
    page.route("**/auth/login", lambda route: route.fulfill(**away))
    page.locator("#login [name=email]").fill("ada@example.com")
    page.locator("#login [name=password]").fill("correct horse")
    page.locator("#login button").click()
    sentence = "The server cannot be reached: the answer was 502 and no JSON."
    expect(page.locator("#message")).to_have_text(sentence)


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_the_policy_stops_what_is_inline_and_other_hosts(visit, path):
    page = visit(path).page
    stopped = page.evaluate("""async () => {
        const stopped = [];
        document.addEventListener("securitypolicyviolation", (event) => {
            stopped.push(event.effectiveDirective);
        });
        const add = (tag, members) => {
            document.body.append(Object.assign(document.createElement(tag), members));
        };
        add("script", {textContent: "window.ran = true"});
        add("style", {textContent: "body { color: red }"});
        add("img", {src: "http://127.0.0.2/x.png"});
        await fetch("http://127.0.0.2/").catch(() => {});
        // The events come as a task of their own.
        await new Promise((done) => setTimeout(done));
        return stopped.sort();
    }""")
    assert stopped == ["connect-src", "img-src", "script-src-elem", "style-src-elem"]
    assert page.evaluate("window.ran") is None


@pytest.mark.parametrize("prefix", ["", PREFIX])
def test_every_link_of_the_home_page_leads_somewhere(visit, served, prefix):
    home = visit(f"{prefix}/")
    for link in home.page.get_by_role("link").all():
        address = link.evaluate("link => link.href")
        assert address.startswith(f"{served.url}{prefix}/")
        assert home.page.request.get(address).ok
