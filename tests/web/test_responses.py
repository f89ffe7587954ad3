"""ETags, conditional requests, and where a new thing is."""

import re

import pytest

from tests.kit.factories import BOOKING, book, create_organization


@pytest.fixture
def booking(site):
    alice = site.user()
    return alice, f"/bookings/{book(alice)['id']}"


@pytest.mark.parametrize(
    "condition",
    [
        "{etag}",
        "W/{etag}",
        "*",
        '"other", {etag}',
        '{etag},"other"',
        'W/"other", W/{etag} , "third"',
    ],
)
def test_a_client_that_has_the_current_thing_gets_304(booking, condition):
    alice, path = booking
    etag = alice.get(path).headers["ETag"]
    headers = {"If-None-Match": condition.format(etag=etag)}
    for call in (alice.get, alice.head):
        answer = call(path, headers=headers, status=304)
        assert answer.headers["ETag"] == etag
        assert answer.body == b""


@pytest.mark.parametrize("condition", ['"other"', 'W/"other"', '"a", "b"', '""', "nonsense", "{bare}x", ""])
def test_a_client_that_has_another_thing_gets_the_whole_answer(booking, condition):
    alice, path = booking
    got = alice.get(path)
    headers = {"If-None-Match": condition.format(bare=got.headers["ETag"].strip('"'))}
    assert alice.get(path, headers=headers, status=200).json == got.json


def test_the_etag_changes_with_the_thing(booking):
    alice, path = booking
    before = alice.get(path).headers["ETag"]
    assert re.fullmatch(r'"[^"\s]+"', before)
    alice.patch(path, {"title": "Retro"})
    after = alice.get(path, headers={"If-None-Match": before}, status=200).headers["ETag"]
    assert after != before


def test_every_get_of_one_thing_has_an_etag(site):
    alice = site.user()
    organization = alice.post("/organizations", {"name": "Acme"}).json["organization"]["id"]
    for path in ("/users/me", f"/organizations/{organization}", f"/bookings/{book(alice)['id']}"):
        etag = alice.get(path, status=200).headers["ETag"]
        alice.get(path, headers={"If-None-Match": etag}, status=304)


def test_an_organization_has_another_etag_when_its_members_have_changed(site):
    alice, bob = site.user("Alice"), site.user("Bob")
    path = f"/organizations/{alice.post('/organizations', {'name': 'Acme'}).json['organization']['id']}"
    etag = alice.get(path).headers["ETag"]
    alice.post(f"{path}/members", {"email": bob.email}, status=201)
    alice.get(path, headers={"If-None-Match": etag}, status=200)


def test_a_condition_lets_nobody_see_what_is_not_theirs(site, booking):
    _, path = booking
    for condition in ("*", booking[0].get(path).headers["ETag"]):
        site.user("Bob").get(path, headers={"If-None-Match": condition}, status=403)
        site.anonymous.get(path, headers={"If-None-Match": condition}, status=401)


@pytest.fixture
def things(site):
    """A user, and the path of each thing of hers that can be changed with what to change."""
    alice = site.user("Alice")
    organization = create_organization(alice)
    return alice, {
        f"/bookings/{book(alice)['id']}": [{"title": "Ünder"}, {"end": "2100-01-01T00:00:00.123456Z"}],
        f"/organizations/{organization}": [{"name": "Acme & Ünder"}],
        "/users/me": [{"name": "Älice"}, {"email": "alice.two@example.com"}],
    }


def test_a_change_is_answered_with_the_etag_that_the_thing_has_then(things):
    alice, changes_of = things
    for path, all_changes in changes_of.items():
        for changes in all_changes:
            before = alice.get(path).headers["ETag"]
            changed = alice.patch(path, changes, status=200)
            assert changed.headers["ETag"] == alice.get(path).headers["ETag"] != before, path
            assert changed.headers["Cache-Control"] == "no-store"


def test_the_etag_of_a_refused_change_is_not_answered(things):
    alice, changes_of = things
    for path in changes_of:
        assert "ETag" not in alice.patch(path, {}, status=400).headers


def test_an_organization_that_a_site_admin_renames_has_the_same_etag_for_all(site):
    alice, admin = site.user("Alice"), site.user("Root", admin=True)
    path = f"/organizations/{create_organization(alice)}"
    alice.post(f"{path}/members", {"email": site.user("Bob").email}, status=201)
    etag = admin.patch(path, {"name": "Renamed"}, status=200).headers["ETag"]
    assert {alice.get(path).headers["ETag"], admin.get(path).headers["ETag"]} == {etag}


def test_what_was_made_is_where_the_location_says(site):
    alice, bob = site.user("Alice"), site.user("Bob")
    for path, sent, member in (
        ("/bookings", BOOKING, "booking"),
        ("/organizations", {"name": "Acme"}, "organization"),
    ):
        made = alice.post(path, sent, status=201)
        location = made.headers["Location"]
        assert location == f"/api/v1{path}/{made.json[member]['id']}"
        assert (
            alice.get(location.removeprefix("/api/v1"), status=200).json.items() >= made.json[member].items()
        )
    added = alice.post(location.removeprefix("/api/v1") + "/members", {"email": bob.email}, status=201)
    assert added.headers["Location"] == f"{location}/members/{bob.id}"
    alice.delete(added.headers["Location"].removeprefix("/api/v1"), status=200)


def test_a_new_account_is_where_the_location_says(site):
    account = {"name": "Alice", "email": "new.alice@example.com", "password": "secret123"}
    made = site.anonymous.post("/auth/register", account, status=201)
    headers = {"Authorization": f"Bearer {made.json['token']}"}
    shown = site.app.get(made.headers["Location"], headers=headers, status=200).json
    assert shown.items() >= made.json["user"].items()


def test_what_was_not_made_is_nowhere(site):
    alice = site.user()
    assert "Location" not in alice.post("/bookings", {}, status=400).headers
    assert "Location" not in site.anonymous.post("/bookings", BOOKING, status=401).headers


def test_addresses_are_below_the_prefix_of_a_proxy(site):
    alice = site.user()
    behind = {"SCRIPT_NAME": "/sched", "HTTP_AUTHORIZATION": f"Bearer {alice.token}"}
    made = [site.app.post_json("/sched/api/v1/bookings", BOOKING, extra_environ=behind) for _ in range(2)]
    assert made[0].headers["Location"] == f"/sched/api/v1/bookings/{made[0].json['booking']['id']}"
    link = site.app.get("/sched/api/v1/bookings?limit=1", extra_environ=behind).headers["Link"]
    assert link.startswith("</sched/api/v1/bookings?limit=1&cursor=")
