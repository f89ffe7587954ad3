"""`pserve`, with our own server runner and with waitress's."""

import shutil
from urllib.parse import urlsplit

import pytest

from scheduling.testing.processes import wait_for
from tests.server.serverkit.installation import PRODUCTION, ServedInstallation


@pytest.fixture
def make_stock(tmp_path, new_database):
    """A function that makes an installation whose ini file has waitress's own server runner."""

    def make(**environ):
        shutil.copy(new_database, tmp_path / "web.db")
        ini = tmp_path / "stock.ini"
        site = ServedInstallation(tmp_path, tmp_path / "web.db", environ, ini)
        listen = f"use = egg:waitress#main\nlisten = 127.0.0.1:{urlsplit(site.web.url).port}\n"
        text = PRODUCTION.read_text()
        assert "use = egg:scheduling\nthreads" in text
        ini.write_text(text.replace("use = egg:scheduling\nthreads", f"{listen}threads"))
        return site

    return make


def test_waitress_serves_as_in_any_pyramid_project(make_stock):
    with make_stock() as site:
        site.web.start().wait_until_ready()
        token = site.register()
        assert site.call("GET", "/users/me", token=token).status == 200
        assert "No message is delivered" not in site.web.output


def test_where_waitress_serves_without_a_broker_a_warning_says_that_nobody_delivers(make_stock):
    with make_stock(REDIS_URL="") as site:
        site.web.start().wait_until_ready()
        assert site.web.output.count("No message is delivered") == 1
        assert "use = egg:scheduling" in site.web.output


def test_our_own_runner_delivers_without_a_broker(tmp_path, new_database):
    shutil.copy(new_database, tmp_path / "web.db")
    with ServedInstallation(tmp_path, tmp_path / "web.db", {"REDIS_URL": ""}) as site:
        site.web.start().wait_until_ready()
        site.register()
        wait_for(lambda: "Welcome" in site.web.output)
        assert "No message is delivered" not in site.web.output
