import re
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from scheduling.accounts.models import users
from scheduling.db.session import session_scope
from scheduling_organizations.models import organization_members, organizations
from tests.kit.factories import add_member, count_rows, create_organization, refused_fields

WIRE_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
ORGANIZATION = {"id", "name", "owner_id", "created_at", "updated_at", "version"}
ADDED = {"id", "organization_id", "user_id", "role", "joined_at", "version"}
LISTED = {"membership_id", "role", "joined_at", "user_id", "name", "email", "version"}
NO_IDS = ("0", "-1", "01", "1.0", "abc", "9223372036854775808", "99999999")


def names(answer):
    return [item["name"] for item in answer.json]


def test_a_new_organization_has_the_contracts_shape(site):
    alice = site.user()
    answer = alice.post("/organizations", {"name": "  Example Ltd "}, status=201).json
    assert set(answer) == {"message", "organization"}
    organization = answer["organization"]
    assert set(organization) == ORGANIZATION
    assert (organization["name"], organization["owner_id"]) == ("Example Ltd", alice.id)
    assert WIRE_TIME.fullmatch(organization["created_at"])
    assert WIRE_TIME.fullmatch(organization["updated_at"])


def test_the_creator_is_the_owner_and_a_member_with_the_role_admin(site):
    alice = site.user("Alice")
    [member] = alice.get(f"/organizations/{create_organization(alice)}/members").json
    assert set(member) == LISTED
    assert (member["user_id"], member["role"]) == (alice.id, "admin")
    assert (member["name"], member["email"]) == ("Alice", alice.email)
    assert WIRE_TIME.fullmatch(member["joined_at"])


@pytest.mark.parametrize("letter", ["x", "会", "😀"])
def test_a_name_has_at_most_100_characters(site, letter):
    alice = site.user()
    organization_id = create_organization(alice, letter * 100)
    long = {"name": letter * 101}
    assert alice.get(f"/organizations/{organization_id}").json["name"] == letter * 100
    assert refused_fields(alice.post("/organizations", long, status=400)) == {"name"}
    assert refused_fields(alice.patch(f"/organizations/{organization_id}", long, status=400)) == {"name"}


@pytest.mark.parametrize("wrong", [None, "", "  ", 7, True, ["x"], {"x": 1}, "a\0b"])
def test_a_missing_or_wrong_name_is_refused(site, wrong):
    alice = site.user()
    path = f"/organizations/{create_organization(alice, 'Kept')}"
    assert refused_fields(alice.post("/organizations", {"name": wrong}, status=400)) == {"name"}
    assert refused_fields(alice.patch(path, {"name": wrong}, status=400)) == {"name"}
    assert refused_fields(alice.patch(path, {}, status=400)) == {"name"}
    assert names(alice.get("/organizations")) == ["Kept"]


@pytest.mark.parametrize("line_break", ["\n", "\r\n", "\x0b", "\x85", "\u2028"])
def test_a_name_is_kept_as_one_line(site, line_break):
    alice = site.user()
    organization_id = create_organization(alice, f"Ac{line_break}me")
    assert names(alice.get("/organizations")) == ["Ac me"]
    alice.patch(f"/organizations/{organization_id}", {"name": f"Ex{line_break}ample"})
    assert names(alice.get("/organizations")) == ["Ex ample"]


def test_two_organizations_may_have_one_name(site):
    alice = site.user()
    assert create_organization(alice, "Same") != create_organization(alice, "Same")


def test_the_list_has_what_i_own_newest_first(site):
    alice, bob = site.user("Alice"), site.user("Bob")
    for name in ("First", "Second", "Third"):
        create_organization(alice, name)
    add_member(bob, create_organization(bob, "Bob's"), alice)
    listed = alice.get("/organizations")
    assert names(listed) == ["Third", "Second", "First"]
    assert all(set(organization) == ORGANIZATION for organization in listed.json)


def test_the_scope_member_lists_what_i_belong_to_newest_first(site):
    alice, bob = site.user("Alice"), site.user("Bob")
    bobs = create_organization(bob, "Bob's")
    create_organization(alice, "Mine")
    create_organization(bob, "Not mine")
    add_member(bob, bobs, alice)
    listed = alice.get("/organizations?scope=member")
    assert names(listed) == ["Mine", "Bob's"]
    assert all(set(organization) == ORGANIZATION for organization in listed.json)
    assert refused_fields(alice.get("/organizations?scope=all", status=400)) == {"scope"}


@pytest.mark.parametrize("scope", ["owner", "member"])
def test_the_lists_have_pages(site, scope):
    alice = site.user()
    for name in ("First", "Second", "Third"):
        create_organization(alice, name)
    first = alice.get(f"/organizations?scope={scope}&limit=2")
    assert names(first) == ["Third", "Second"]
    following = re.fullmatch('</api/v1(.+)>; rel="next"', first.headers["Link"])[1]
    assert names(alice.get(following)) == ["First"]
    assert "Link" not in alice.get(following).headers
    assert refused_fields(alice.get("/organizations?limit=201", status=400)) == {"limit"}
    assert refused_fields(alice.get("/organizations?cursor=x", status=400)) == {"cursor"}


def test_an_organization_is_shown_with_its_members_oldest_membership_first(site):
    alice, bob, carol = site.user("Alice"), site.user("Bob"), site.user("Carol")
    organization_id = create_organization(alice)
    add_member(bob, create_organization(bob, "Other"), site.user("Eve"))
    add_member(alice, organization_id, carol)
    add_member(alice, organization_id, bob, role="admin")
    shown = alice.get(f"/organizations/{organization_id}").json
    assert set(shown) == ORGANIZATION | {"members"}
    assert [(m["name"], m["role"]) for m in shown["members"]] == [
        ("Alice", "admin"),
        ("Carol", "member"),
        ("Bob", "admin"),
    ]
    assert all(set(member) == LISTED for member in shown["members"])
    assert alice.get(f"/organizations/{organization_id}/members").json == shown["members"]


def test_members_the_owner_and_site_admins_may_read_it_and_nobody_else(site):
    alice, bob, ada, eve = (
        site.user("Alice"),
        site.user("Bob"),
        site.user("Ada", admin=True),
        site.user("Eve"),
    )
    organization_id = create_organization(alice)
    add_member(alice, organization_id, bob)
    for path in (f"/organizations/{organization_id}", f"/organizations/{organization_id}/members"):
        assert alice.get(path).json == bob.get(path).json == ada.get(path).json
        assert eve.get(path, status=403).json["error"]


def test_an_organization_has_an_etag_that_changes_with_its_members(site):
    alice, bob = site.user("Alice"), site.user("Bob")
    organization_id = create_organization(alice)
    path = f"/organizations/{organization_id}"
    etag = alice.get(path).headers["ETag"]
    alice.get(path, headers={"If-None-Match": etag}, status=304)
    add_member(alice, organization_id, bob)
    alice.get(path, headers={"If-None-Match": etag}, status=200)


@pytest.mark.parametrize("organization_id", NO_IDS)
def test_an_organization_that_does_not_exist_is_a_404(site, organization_id):
    alice, path = site.user(), f"/organizations/{organization_id}"
    for answer in (
        alice.get(path, status=404),
        alice.patch(path, {"name": "x"}, status=404),
        alice.delete(path, status=404),
        alice.get(f"{path}/members", status=404),
        alice.post(f"{path}/members", {"email": alice.email}, status=404),
        alice.delete(f"{path}/members/{alice.id}", status=404),
    ):
        assert answer.json["error"]


@pytest.mark.parametrize("admin", [False, True])
def test_the_owner_or_a_site_admin_renames_it(site, admin):
    alice = site.user("Alice")
    with session_scope(site.registry) as db:
        old = {"updated_at": datetime.now(UTC) - timedelta(days=1), "name": "Old", "owner_id": alice.id}
        insert = sa.insert(organizations).values(old).returning(organizations.c.id)
        path = f"/organizations/{db.write(insert).scalar_one()}"
    before = alice.get(path).json
    client = site.user("Ada", admin=True) if admin else alice
    answer = client.patch(path, {"name": "New"}).json
    assert set(answer) == {"message", "organization"}
    unchanged = {key: before[key] for key in ("id", "owner_id", "created_at")}
    assert answer["organization"] | unchanged == answer["organization"]
    assert set(answer["organization"]) == ORGANIZATION
    assert answer["organization"]["name"] == alice.get(path).json["name"] == "New"
    assert answer["organization"]["updated_at"] > before["updated_at"]


@pytest.mark.parametrize("role", ["member", "admin", None])
def test_nobody_else_renames_or_deletes_it(site, role):
    alice, bob = site.user("Alice"), site.user("Bob")
    organization_id = create_organization(alice)
    if role:
        add_member(alice, organization_id, bob, role=role)
    bob.patch(f"/organizations/{organization_id}", {"name": "Bob's"}, status=403)
    bob.delete(f"/organizations/{organization_id}", status=403)
    assert alice.get(f"/organizations/{organization_id}").json["name"] == "Example Ltd"


@pytest.mark.parametrize("admin", [False, True])
def test_the_owner_or_a_site_admin_deletes_it_and_memberships_go_with_it(site, admin):
    alice, bob = site.user("Alice"), site.user("Bob")
    organization_id, kept = create_organization(alice), create_organization(alice, "Kept")
    add_member(alice, organization_id, bob)
    client = site.user("Ada", admin=True) if admin else alice
    answer = client.delete(f"/organizations/{organization_id}").json
    assert set(answer) == {"message"}
    alice.get(f"/organizations/{organization_id}", status=404)
    alice.delete(f"/organizations/{organization_id}", status=404)
    assert bob.get("/organizations?scope=member").json == []
    assert count_rows(site, organization_members) == 1
    assert len(alice.get(f"/organizations/{kept}/members").json) == 1


def test_an_organization_goes_with_its_owners_account_and_a_membership_with_its_users(site):
    alice, bob = site.user("Alice"), site.user("Bob")
    add_member(alice, create_organization(alice), bob)
    bobs = create_organization(bob, "Bob's")
    add_member(bob, bobs, alice)
    with session_scope(site.registry) as db:
        db.write(sa.delete(users).where(users.c.id == alice.id))
    assert names(bob.get("/organizations?scope=member")) == ["Bob's"]
    assert names(bob.get(f"/organizations/{bobs}/members")) == ["Bob"]
    assert (count_rows(site, organizations), count_rows(site, organization_members)) == (1, 1)
