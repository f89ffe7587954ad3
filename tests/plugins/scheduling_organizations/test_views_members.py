import re

import pytest

from tests.kit.factories import add_member, create_organization, refused_fields

ADDED = {"id", "organization_id", "user_id", "role", "joined_at", "version"}
WIRE_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
NASTY = "<img src=x onerror=\"alert('Tom & Jerry')\">"


def team(site):
    """Give an owner, a member, a member who is admin, an outsider, a site admin and the members' path."""
    alice, bob, carol = site.user("Alice"), site.user("Bob"), site.user("Carol")
    organization_id = create_organization(alice)
    add_member(alice, organization_id, bob)
    add_member(alice, organization_id, carol, role="admin")
    others = site.user("Eve"), site.user("Ada", admin=True)
    return alice, bob, carol, *others, f"/organizations/{organization_id}/members"


def members(client, path):
    return [member["name"] for member in client.get(path).json]


@pytest.mark.parametrize(
    ("sent", "role"), [({}, "member"), ({"role": "member"}, "member"), ({"role": "admin"}, "admin")]
)
def test_the_owner_adds_a_member_by_its_address(site, sent, role):
    alice, bob = site.user("Alice"), site.user("Bob")
    organization_id = create_organization(alice)
    path = f"/organizations/{organization_id}/members"
    answer = alice.post(path, {"email": bob.email} | sent, status=201).json
    assert set(answer) == {"message", "member"}
    member = answer["member"]
    assert set(member) == ADDED
    assert (member["organization_id"], member["user_id"], member["role"]) == (organization_id, bob.id, role)
    assert WIRE_TIME.fullmatch(member["joined_at"])
    listed = bob.get(path).json[-1]
    assert (listed["membership_id"], listed["role"]) == (member["id"], role)
    assert listed["joined_at"] == member["joined_at"]


def test_an_address_is_found_without_regard_to_case(site):
    alice, bob = site.user("Alice"), site.user("Bob", email="Bob.Builder@Example.com")
    path = f"/organizations/{create_organization(alice)}/members"
    alice.post(path, {"email": " bOB.bUILDER@eXAMPLE.COM "}, status=201)
    assert alice.get(path).json[-1]["email"] == bob.email


def test_only_the_owner_adds_members(site):
    _, bob, carol, eve, ada, path = team(site)
    for client in (bob, carol, eve, ada):
        client.post(path, {"email": eve.email}, status=403)
    assert members(bob, path) == ["Alice", "Bob", "Carol"]


def test_an_address_that_nobody_has_is_a_404(site):
    alice = site.user()
    refused = alice.post(
        f"/organizations/{create_organization(alice)}/members", {"email": "no@example.com"}, status=404
    )
    assert refused.content_type == "application/problem+json"
    assert refused.json["error"]


@pytest.mark.parametrize("wrong", [None, "", " ", 7, ["a@b.example"], "nobody", "a b@example.com", "a@b.c\0"])
def test_a_missing_or_malformed_address_is_refused(site, wrong):
    alice = site.user()
    refused = alice.post(f"/organizations/{create_organization(alice)}/members", {"email": wrong}, status=400)
    assert refused_fields(refused) == {"email"}


@pytest.mark.parametrize("role", ["owner", "Admin", 7, ["admin"]])
def test_an_unknown_role_is_refused(site, role):
    alice, bob = site.user("Alice"), site.user("Bob")
    path = f"/organizations/{create_organization(alice)}/members"
    assert refused_fields(alice.post(path, {"email": bob.email, "role": role}, status=400)) == {"role"}
    assert members(alice, path) == ["Alice"]


def test_a_member_cannot_be_added_again(site):
    alice, bob, *_, path = team(site)
    assert alice.post(path, {"email": bob.email.upper(), "role": "admin"}, status=400).json["error"]
    assert alice.post(path, {"email": alice.email}, status=400).json["error"]
    assert [m["role"] for m in alice.get(path).json] == ["admin", "member", "admin"]
    assert len(bob.get("/notifications").json) == 1


def test_the_members_have_pages(site):
    *_, ada, path = team(site)
    first = ada.get(f"{path}?limit=2")
    assert [m["name"] for m in first.json] == ["Alice", "Bob"]
    following = re.fullmatch('</api/v1(.+)>; rel="next"', first.headers["Link"])[1]
    assert members(ada, following) == ["Carol"]
    assert refused_fields(ada.get(f"{path}?limit=0", status=400)) == {"limit"}
    assert refused_fields(ada.get(f"{path}?cursor=0", status=400)) == {"cursor"}


def test_a_new_member_is_told_by_a_notification(site):
    alice, bob = site.user("Alice"), site.user("Bob")
    organization_id = create_organization(alice, "Café 会議")
    add_member(alice, organization_id, bob)
    [notification] = bob.get("/notifications").json
    assert notification["type"] == "ORG_INVITE"
    assert notification["metadata"] == {"organization_id": organization_id}
    assert notification["title"] == 'You\'ve been added to "Café 会議"'
    assert "Café 会議" in notification["message"]
    assert alice.get("/notifications").json == []


@pytest.mark.parametrize("role", ["member", "admin"])
def test_a_new_member_is_told_by_mail(site, role):
    alice, bob = site.user("Alice"), site.user("Bob")
    organization_id = create_organization(alice, "Café 会議")
    site.deliver()
    site.clear_mail()
    add_member(alice, organization_id, bob, role=role)
    site.deliver()
    [mail] = site.mail
    assert (mail.to_address, mail.to_name) == (bob.email, "Bob")
    assert mail.subject == "You have been added to Café 会議"
    for body in (mail.text, mail.html):
        assert "Café 会議" in body
        assert ("as an admin" in body) == (role == "admin")


def test_markup_and_line_breaks_in_a_name_stay_text(site):
    alice, bob = site.user("Alice"), site.user("Bob")
    add_member(alice, create_organization(alice, f"{NASTY}\r\nBcc: eve@example.com"), bob)
    site.deliver()
    mail = site.mail[-1]
    assert mail.subject == f"You have been added to {NASTY} Bcc: eve@\u200bexample…"
    assert "<img" not in mail.html
    assert "&lt;img src=x onerror=&#34;alert(&#39;Tom &amp; Jerry&#39;)&#34;&gt;" in mail.html
    assert NASTY in mail.text


def test_an_organizations_name_in_a_mail_is_no_letter_to_its_reader(site):
    alice, bob = site.user("Alice"), site.user("Bob")
    name = "Acme.\r\n\r\nYour account is locked. Unlock it at https://evil.example/unlock"
    add_member(alice, create_organization(alice, name), bob)
    site.deliver()
    mail = site.mail[-1]
    assert (
        mail.subject
        == "You have been added to Acme. Your account is locked. Unlock it at https:\u200b//evil.\u200bexa…"
    )
    assert f"{mail.subject}." in mail.text.splitlines()
    assert "://" not in mail.text + mail.html


def test_nobody_is_told_of_an_addition_that_was_refused(site):
    alice, bob = site.user("Alice"), site.user("Bob")
    site.deliver()
    site.clear_mail()
    alice.post(
        f"/organizations/{create_organization(alice)}/members",
        {"email": bob.email, "role": "boss"},
        status=400,
    )
    site.deliver()
    assert site.mail == []
    assert bob.get("/notifications").json == []


def test_the_owner_and_a_site_admin_remove_members(site):
    alice, bob, carol, _, ada, path = team(site)
    assert set(alice.delete(f"{path}/{bob.id}").json) == {"message"}
    assert set(ada.delete(f"{path}/{carol.id}").json) == {"message"}
    assert members(alice, path) == ["Alice"]
    bob.get(path, status=403)


@pytest.mark.parametrize("leaver", ["Bob", "Carol"])
def test_a_member_removes_itself(site, leaver):
    alice, bob, carol, *_, path = team(site)
    client = {"Bob": bob, "Carol": carol}[leaver]
    client.delete(f"{path}/{client.id}")
    assert leaver not in members(alice, path)
    client.get(path, status=403)


def test_nobody_else_removes_members(site):
    alice, bob, carol, eve, _, path = team(site)
    bob.delete(f"{path}/{carol.id}", status=403)
    carol.delete(f"{path}/{bob.id}", status=403)
    carol.delete(f"{path}/{alice.id}", status=403)
    eve.delete(f"{path}/{bob.id}", status=403)
    assert members(alice, path) == ["Alice", "Bob", "Carol"]


def test_the_owners_own_membership_stays(site):
    alice, *_, ada, path = team(site)
    assert alice.delete(f"{path}/{alice.id}", status=400).json["error"]
    assert ada.delete(f"{path}/{alice.id}", status=400).json["error"]
    assert members(alice, path) == ["Alice", "Bob", "Carol"]


def test_a_membership_that_does_not_exist_is_a_404(site):
    alice, bob, _, eve, ada, path = team(site)
    alice.delete(f"{path}/{eve.id}", status=404)
    ada.delete(f"{path}/99999999", status=404)
    eve.delete(f"{path}/{eve.id}", status=404)
    alice.delete(f"{path}/{bob.id}")
    alice.delete(f"{path}/{bob.id}", status=404)
    bob.delete(f"{path}/{bob.id}", status=404)
    for no_id in ("0", "-1", "abc", "1.0", "9223372036854775808"):
        alice.delete(f"{path}/{no_id}", status=404)


def test_a_membership_ends_in_one_organization_alone(site):
    alice, bob, *_, path = team(site)
    other = create_organization(alice, "Other")
    add_member(alice, other, bob)
    alice.delete(f"{path}/{bob.id}")
    assert [o["name"] for o in bob.get("/organizations?scope=member").json] == ["Other"]


def test_a_member_that_left_can_be_added_again(site):
    alice, bob, *_, path = team(site)
    bob.delete(f"{path}/{bob.id}")
    alice.post(path, {"email": bob.email}, status=201)
    assert members(bob, path) == ["Alice", "Carol", "Bob"]
