"""A real Chromium on a site that listens; without Debian's ``chromium`` these tests are skipped."""

import json
import shutil
import threading

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright
from waitress.server import create_server

from scheduling.testing import Site

PATIENCE_MILLISECONDS = 60_000
CHROMIUM = shutil.which("chromium")
PREFIX = "/sched"


def behind_proxy(app):
    """Return an application that is also at /sched, as behind a proxy that takes that away and says so."""

    def answer(environ, start_response):
        if environ["PATH_INFO"].startswith(f"{PREFIX}/"):
            environ["SCRIPT_NAME"] = PREFIX
            environ["PATH_INFO"] = environ["PATH_INFO"].removeprefix(PREFIX)
        return app(environ, start_response)

    return answer


@pytest.fixture(scope="session")
def chromium():
    if CHROMIUM is None:
        pytest.skip("there is no chromium: apt-get install chromium")
    with sync_playwright() as playwright:
        # Its sandbox does not work as root, and it loads nothing but what is served here.
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def served(chromium, enabled_plugins, tmp_path_factory):
    """A site on SQLite, and the address where it listens."""
    site = Site(f"sqlite:///{tmp_path_factory.mktemp('browser')}/test.db", enabled_plugins)
    server = create_server(behind_proxy(site.wsgi_app), host="127.0.0.1", port=0)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    site.url = f"http://127.0.0.1:{server.effective_port}"
    yield site
    server.close()
    thread.join(10)
    site.close()


class Visit:
    """A browser's window on the site, and what went wrong in it."""

    def __init__(self, context, url):
        self.page = context.new_page()
        self.page.set_default_timeout(PATIENCE_MILLISECONDS)
        self.url = url
        self.complaints = []
        self.foreign = []
        self.page.on("console", self._note)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", self._note_request)

    def _note(self, message):
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def _note_request(self, request):
        if not request.url.startswith(("data:", f"{self.url}/")):
            self.foreign.append(request.url)

    def open(self, path):
        self.page.goto(self.url + path)
        return self.page

    @property
    def account(self):
        return self.page.get_by_role("region", name="Your account")

    def log_in(self, email, password):
        self.account.get_by_label("E-mail").fill(email)
        self.account.get_by_label("Password").fill(password)
        self.account.get_by_role("button", name="Log in").click()

    def faults(self):
        """Return what axe-core finds: the targets by the rule that they break."""
        found = Axe().run(self.page).response["violations"]
        return {rule["id"]: [" ".join(node["target"]) for node in rule["nodes"]] for rule in found}

    def call(self, operation, body=None):
        """Try a call of the API in Swagger UI; return status and JSON of the answer."""
        block = self.page.locator(f'.opblock[id$="-{operation}"]')
        block.locator(".opblock-summary-control").click()
        block.get_by_role("button", name="Try it out").click()
        if body is not None:
            block.locator("textarea.body-param__text").fill(json.dumps(body))
        return self.call_again(operation)

    def call_again(self, operation):
        block = self.page.locator(f'.opblock[id$="-{operation}"]')
        with self.page.expect_response(lambda answer: answer.request.resource_type == "fetch") as waiting:
            block.get_by_role("button", name="Execute").click()
        answer = waiting.value
        block.locator(".live-responses-table").wait_for()
        return answer.status, answer.json()


@pytest.fixture
def visit(chromium, served):
    """A function that opens a path in a window of its own, of the given colours and width."""
    contexts = []

    def visit(path, colours="light", width=1280, **options):
        size = {"width": width, "height": 800}
        contexts.append(chromium.new_context(color_scheme=colours, viewport=size, **options))
        visitor = Visit(contexts[-1], served.url)
        visitor.open(path)
        return visitor

    yield visit
    for context in contexts:
        context.close()
