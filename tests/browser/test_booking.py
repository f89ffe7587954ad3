"""Somebody logs in on ``/docs`` and makes a booking there."""

import pytest
from playwright.sync_api import expect

from scheduling.testing.site import PASSWORD
from tests.browser.conftest import PREFIX

BOOKING = {"title": "Retro", "start": "2099-04-01T09:00:00Z", "end": "2099-04-01T10:00:00Z"}


@pytest.fixture
def alice(served):
    return served.user()


@pytest.mark.parametrize("prefix", ["", PREFIX])
def test_a_booking_is_made_from_the_page(visit, alice, prefix):
    docs = visit(f"{prefix}/docs")
    docs.log_in(alice.email, PASSWORD)
    expect(docs.account.get_by_text("Logged in as Alice")).to_be_visible()
    expect(docs.account.get_by_role("button", name="Log out")).to_be_focused()

    status, answer = docs.call("create_booking", BOOKING)

    assert (status, answer["booking"]["title"]) == (201, "Retro")
    assert [booking["id"] for booking in alice.get("/bookings").json] == [answer["booking"]["id"]]
    assert (docs.complaints, docs.foreign) == ([], [])


def test_after_the_log_out_calls_have_no_token(visit, alice):
    docs = visit("/docs")
    docs.log_in(alice.email, PASSWORD)
    assert docs.call("get_me")[0] == 200
    docs.account.get_by_role("button", name="Log out").click()
    expect(docs.account.get_by_label("E-mail")).to_be_focused()
    assert docs.call_again("get_me")[0] == 401


def test_a_wrong_password_is_said(visit, alice):
    docs = visit("/docs")
    docs.log_in(alice.email, "a wrong one")
    expect(docs.account.get_by_role("alert")).to_have_text("Invalid credentials")
    docs.log_in(alice.email, PASSWORD)
    expect(docs.account.get_by_text("Logged in as Alice")).to_be_visible()
    expect(docs.account.get_by_role("alert")).to_have_text("")


def test_the_browser_keeps_no_token(visit, alice):
    docs = visit("/docs")
    docs.log_in(alice.email, PASSWORD)
    expect(docs.account.get_by_text("Logged in as Alice")).to_be_visible()
    assert docs.page.evaluate("[localStorage.length, sessionStorage.length, document.cookie]") == [0, 0, ""]
    docs.page.reload()
    expect(docs.account.get_by_label("Password")).to_have_value("")
    assert docs.call("get_me")[0] == 401
