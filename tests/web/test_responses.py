"""ETags and conditional requests."""

import re

import pytest

from tests.kit.factories import book


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
