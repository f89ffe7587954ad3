"""If-Match: of two who change what they have seen, the second is told (RFC 9110, 13.1.1)."""

from dataclasses import replace

import pytest

from scheduling.exceptions import Invalid
from scheduling.web.preconditions import read_if_match
from tests.kit.factories import BOOKING, add_member, book, create_organization


@pytest.mark.parametrize(
    ("header", "versions"),
    [
        ("*", None),
        (" * ", None),
        ('"3.9f86d081884c7d659a2feaa0"', {3}),
        ('W/"3.9f86d081884c7d659a2feaa0"', {3}),
        ('"3"', {3}),
        ('"3.9f86d081884c7d659a2feaa0-gzip"', {3}),
        ('"3.a", W/"4.b" ,"12.c"', {3, 4, 12}),
        (' ,, "3.a",, ,"4.b", ', {3, 4}),
        ('"a,b", "3.a,4.b"', {3}),
        ('"9f86d081884c7d659a2feaa0"', set()),
        ('""', set()),
        ('"0.a", "03.a", "-3.a", "3-a", ".3", "3x", "+3", "\xe93.a"', set()),
        ('"2147483647.a", "2147483648.a", "99999999999999999999.a"', {2147483647}),
    ],
)
def test_versions_are_read_of_entity_tags(header, versions):
    assert read_if_match(header) == versions


@pytest.mark.parametrize(
    "header",
    [
        "",
        " ",
        ",",
        "3",
        "3.a",
        '"3',
        '3"',
        "'3'",
        '*, "3"',
        '"3" "4"',
        '"3""4"',
        'w/"3"',
        'W/ "3"',
        'W"3"',
        '"a b"',
    ],
)
def test_what_is_no_list_of_entity_tags_is_malformed(header):
    with pytest.raises(Invalid):
        read_if_match(header)


def test_a_long_header_is_read_in_no_time():
    for header in ("," * 60_000, '"1.a",' * 10_000 + "x", " ," * 30_000 + '"', '"' + "a" * 60_000):
        with pytest.raises(Invalid):
            read_if_match(header)


@pytest.fixture
def organization(site):
    """Alice, and the path of an organization of hers in which Bob is."""
    alice = site.user("Alice")
    number = create_organization(alice)
    add_member(alice, number, site.user("Bob"))
    return alice, f"/organizations/{number}"


@pytest.fixture
def things(organization):
    """Alice, and each thing of hers that can be changed: its path, and what to change."""
    alice, path = organization
    return alice, {
        f"/bookings/{book(alice)['id']}": {"title": "Retro"},
        path: {"name": "Acme"},
        "/users/me": {"name": "Alicia"},
    }


def with_tag(tag):
    return {"headers": {"If-Match": tag}}


def test_a_thing_shows_its_version_which_is_in_its_etag(things):
    alice, changes_of = things
    for path, changes in changes_of.items():
        shown = alice.get(path)
        version = shown.json["version"]
        assert version >= 1
        assert shown.headers["ETag"].startswith(f'"{version}.')
        alice.patch(path, changes, status=200)
        assert alice.get(path).json["version"] > version


def test_lists_show_the_versions_too(organization):
    alice, path = organization
    booking = book(alice)
    assert [row["version"] for row in alice.get("/bookings").json] == [booking["version"]] == [1]
    assert alice.get("/organizations").json[0]["version"] == 1
    members = alice.get(f"{path}/members").json
    assert [member["version"] for member in members] == [1, 1]
    assert alice.get(path).json["members"] == members


@pytest.mark.parametrize("form", ["{etag}", "W/{etag}", '"0.a", {etag}', '"{version}"', "*"])
def test_a_change_is_made_with_the_tag_of_what_is_there(things, form):
    alice, changes_of = things
    for path, changes in changes_of.items():
        shown = alice.get(path)
        tag = form.format(etag=shown.headers["ETag"], version=shown.json["version"])
        changed = alice.patch(path, changes, status=200, **with_tag(tag))
        assert changed.headers["ETag"] == alice.get(path).headers["ETag"]


def test_a_change_of_what_was_changed_meanwhile_is_refused_and_not_made(things):
    alice, changes_of = things
    for path, changes in changes_of.items():
        etag = alice.get(path).headers["ETag"]
        first = alice.patch(path, changes, status=200, **with_tag(etag))
        refused = alice.patch(path, dict.fromkeys(changes, "Late"), status=412, **with_tag(etag))
        assert refused.json["code"] == "stale"
        assert "ETag" not in refused.headers
        assert alice.get(path).headers["ETag"] == first.headers["ETag"]


def test_a_change_that_is_sent_again_with_the_old_tag_is_refused_also_where_it_changes_nothing(things):
    alice, changes_of = things
    for path, changes in changes_of.items():
        alice.patch(path, changes, status=200)
        etag = alice.get(path).headers["ETag"]
        alice.patch(path, changes, status=200, **with_tag(etag))
        alice.patch(path, changes, status=412, **with_tag(etag))


def test_the_new_tag_of_a_change_is_good_for_the_next(things):
    alice, changes_of = things
    for path, changes in changes_of.items():
        etag = alice.get(path).headers["ETag"]
        for _ in range(3):
            etag = alice.patch(path, changes, status=200, **with_tag(etag)).headers["ETag"]


def test_a_tag_of_something_else_matches_nothing(things):
    alice, changes_of = things
    for path, changes in changes_of.items():
        for tag in ('"9f86d081884c7d659a2feaa0"', '""', '"7.a"'):
            alice.patch(path, changes, status=412, **with_tag(tag))


def test_a_header_that_is_malformed_is_refused_before_anything_is_done(things):
    alice, changes_of = things
    for path, changes in changes_of.items():
        etag = alice.get(path).headers["ETag"]
        for tag in ("", etag.strip('"'), f"{etag}, *"):
            refused = alice.patch(path, changes, status=400, **with_tag(tag))
            assert list(refused.json["errors"]) == ["If-Match"]
        assert alice.get(path).headers["ETag"] == etag


def test_a_change_of_an_organization_is_made_though_its_members_have_changed(site, organization):
    alice, path = organization
    etag = alice.get(path).headers["ETag"]
    alice.post(f"{path}/members", {"email": site.user("Carol").email}, status=201)
    assert alice.get(path).headers["ETag"] != etag
    alice.patch(path, {"name": "Acme"}, status=200, **with_tag(etag))


def test_a_deletion_with_an_old_tag_is_refused(organization):
    alice, organization_path = organization
    booking = f"/bookings/{book(alice)['id']}"
    for path, changes in ((booking, {"title": "Retro"}), (organization_path, {"name": "Acme"})):
        etag = alice.get(path).headers["ETag"]
        new = alice.patch(path, changes, status=200).headers["ETag"]
        assert alice.delete(path, status=412, **with_tag(etag)).json["code"] == "stale"
        alice.get(path, status=200)
        alice.delete(path, status=200, **with_tag(new))
        # It is gone, or cancelled, whatever the tag is.
        alice.delete(path, status=404, **with_tag(new))
        alice.delete(path, status=404, **with_tag("*"))


def test_a_membership_ends_with_the_version_of_a_list(organization):
    alice, path = organization
    member = alice.get(f"{path}/members").json[1]
    place = f"{path}/members/{member['user_id']}"
    alice.delete(place, status=412, **with_tag('"2"'))
    alice.delete(place, status=200, **with_tag(f'"{member["version"]}"'))
    alice.delete(place, status=404, **with_tag(f'"{member["version"]}"'))


def test_what_was_made_is_answered_with_its_etag(site):
    alice, bob = site.user("Alice"), site.user("Bob")
    for path, sent in (("/bookings", BOOKING | {"title": "Ünder"}), ("/organizations", {"name": "Ünder"})):
        made = alice.post(path, sent, status=201)
        place = made.headers["Location"].removeprefix("/api/v1")
        assert made.headers["ETag"] == alice.get(place).headers["ETag"]
    added = alice.post(f"{place}/members", {"email": bob.email}, status=201)
    assert added.headers["ETag"].startswith('"1.')
    alice.delete(f"{place}/members/{bob.id}", status=200, **with_tag(added.headers["ETag"]))


def test_who_may_not_change_a_thing_learns_nothing_of_its_version(site, things):
    alice, changes_of = things
    bob = site.user("Bob")
    for path, changes in changes_of.items():
        for tag in (alice.get(path).headers["ETag"], '"7.a"', "malformed"):
            site.anonymous.patch(path, changes, status=401, **with_tag(tag))
            if path != "/users/me":
                bob.patch(path, changes, status=403, **with_tag(tag))
    alice.patch("/bookings/999999999", {"title": "Retro"}, status=404, **with_tag('"7.a"'))


def test_who_has_seen_old_times_is_told_so_and_not_that_the_new_ones_are_wrong(site):
    alice = site.user()
    path = f"/bookings/{book(alice)['id']}"
    etag = alice.get(path).headers["ETag"]
    moved = {"start": "2099-01-01T14:00:00Z", "end": "2099-01-01T15:00:00Z"}
    alice.patch(path, moved, status=200)
    alice.patch(path, {"end": "2099-01-01T11:30:00Z"}, status=412, **with_tag(etag))
    alice.patch(path, {"end": "2099-01-01T11:30:00Z"}, status=400)


def test_a_cancelled_booking_is_not_changed_whatever_the_tag_is(site):
    alice = site.user()
    path = f"/bookings/{book(alice)['id']}"
    etag = alice.get(path).headers["ETag"]
    alice.delete(path, status=200, **with_tag(etag))
    assert alice.patch(path, {"title": "x"}, status=409, **with_tag(etag)).json["code"] == "booking_cancelled"


def test_other_calls_do_not_look_at_the_header(site):
    alice = site.user()
    sent = {"currentPassword": "secret123", "newPassword": "secret456"}
    alice.token = alice.patch("/users/me/password", sent, status=200, **with_tag('"7.a"')).json["token"]
    alice.post("/bookings", BOOKING, status=201, **with_tag('"7.a"'))
    alice.get("/users/me", status=200, **with_tag('"7.a"'))


@pytest.fixture
def required(site):
    before = site.registry.core_settings
    site.registry.core_settings = replace(before, require_if_match=True)
    yield
    site.registry.core_settings = before


@pytest.mark.usefixtures("required")
def test_where_the_header_is_required_a_change_without_it_is_refused(site, things):
    alice, changes_of = things
    bob = site.user("Bob")
    for path, changes in changes_of.items():
        refused = alice.patch(path, changes, status=428)
        assert (refused.json["code"], refused.json["title"]) == (
            "precondition_required",
            "Precondition Required",
        )
        if path != "/users/me":
            alice.delete(path, status=428)
            # Who may not do it at all is told that.
            bob.patch(path, changes, status=403)
        alice.patch(path, changes, status=200, **with_tag("*"))
        alice.patch(path, changes, status=200, **with_tag(alice.get(path).headers["ETag"]))
    alice.post("/bookings", BOOKING, status=201)
    alice.patch("/notifications/read-all", status=200)


def test_a_change_without_the_header_is_made_as_ever(site, things):
    assert not site.registry.core_settings.require_if_match
    alice, changes_of = things
    for path, changes in changes_of.items():
        alice.patch(path, changes, status=200)
        alice.patch(path, changes, status=200)
