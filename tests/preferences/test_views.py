"""``/users/me/preferences``: what users choose, which notices they want, and what plugins add."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import SimpleNamespace

import pytest
import sqlalchemy as sa

from scheduling.accounts import service as accounts
from scheduling.accounts.models import users
from scheduling.db.session import session_scope
from scheduling.messaging.models import outbox
from scheduling.plugin import Notice, preferences_of, publish, wants_notice
from scheduling.preferences.models import user_preferences
from scheduling.preferences.notices import NoticeType
from tests.kit.factories import book, refused_fields

PATH = "/users/me/preferences"
BOTH = {"email": True, "in_app": True}
TYPES = {"BOOKING_CONFIRMED", "BOOKING_RESCHEDULED", "BOOKING_CANCELLED", "ORG_INVITE"}


def choose(client, notices, **options):
    return client.patch(PATH, {"notices": notices}, **options)


def kinds_waiting(site):
    """The kinds of the e-mails that are in the outbox."""
    with session_scope(site.registry) as db:
        return {row.kind for row in db.rows(sa.select(outbox.c.kind))}


def test_who_has_chosen_nothing_has_the_defaults_of_every_type_that_plugins_declare(site):
    answer = site.user().get(PATH, status=200)
    assert set(answer.json["notices"]) >= TYPES
    assert all(answer.json["notices"][name] == BOTH for name in TYPES)
    assert answer.json["version"] == 1
    assert answer.headers["ETag"].startswith('"1.')


def test_a_change_is_of_one_channel_of_one_type_and_leaves_all_others(site):
    alice, bob = site.user("Alice"), site.user("Bob")
    first = choose(alice, {"BOOKING_CONFIRMED": {"email": False}}, status=200)
    second = choose(
        alice, {"BOOKING_CONFIRMED": {"in_app": False}, "ORG_INVITE": {"email": False}}, status=200
    )
    assert first.json["notices"]["BOOKING_CONFIRMED"] == {"email": False, "in_app": True}
    notices = second.json["notices"]
    assert notices["BOOKING_CONFIRMED"] == {"email": False, "in_app": False}
    assert notices["ORG_INVITE"] == {"email": False, "in_app": True}
    assert notices["BOOKING_CANCELLED"] == BOTH
    shown = alice.get(PATH)
    assert (shown.json, shown.headers["ETag"]) == (second.json, second.headers["ETag"])
    assert bob.get(PATH).json["notices"]["BOOKING_CONFIRMED"] == BOTH


@pytest.mark.parametrize(
    ("sent", "field"),
    [
        ({"notices": {"NOTHING": {"email": False}}}, "notices.NOTHING"),
        ({"notices": {"WELCOME": {"email": False}}}, "notices.WELCOME"),
        ({"notices": {"BOOKING_CONFIRMED": {"sms": False}}}, "notices.BOOKING_CONFIRMED.sms"),
        ({"notices": {"BOOKING_CONFIRMED": {"email": "no"}}}, "notices.BOOKING_CONFIRMED.email"),
        ({"notices": {"BOOKING_CONFIRMED": {"email": None}}}, "notices.BOOKING_CONFIRMED.email"),
        ({"notices": {"BOOKING_CONFIRMED": False}}, "notices.BOOKING_CONFIRMED"),
        ({"notices": []}, "notices"),
        ({}, "body"),
    ],
)
def test_what_cannot_be_chosen_is_a_400_that_names_it(site, sent, field):
    alice = site.user()
    assert refused_fields(alice.patch(PATH, sent, status=400)) == {field}
    assert alice.get(PATH).json["version"] == 1


def test_if_match_holds_also_for_the_first_change(site):
    alice = site.user()
    etag = alice.get(PATH).headers["ETag"]
    changed = choose(alice, {"ORG_INVITE": {"email": False}}, headers={"If-Match": etag}, status=200)
    stale = choose(alice, {"ORG_INVITE": {"email": True}}, headers={"If-Match": etag}, status=412)
    assert stale.json["code"] == "stale"
    assert changed.json["version"] == 2
    assert alice.get(PATH).json == changed.json


def test_of_changes_at_the_same_moment_none_is_lost(site):
    alice = site.user()
    gate = threading.Barrier(len(TYPES))

    def switch_off(name):
        gate.wait()
        choose(alice, {name: {"email": False}}, status=200)

    with ThreadPoolExecutor(len(TYPES)) as threads:
        list(threads.map(switch_off, sorted(TYPES)))
    notices = alice.get(PATH).json["notices"]
    assert {name for name in TYPES if not notices[name]["email"]} == TYPES


def test_each_channel_asks_when_the_message_is_written(site):
    alice = site.user()
    with session_scope(site.registry) as db:
        db.write(sa.delete(outbox))
    choose(alice, {"BOOKING_CONFIRMED": {"email": False}, "BOOKING_CANCELLED": {"in_app": False}}, status=200)
    booking = book(alice)["id"]
    alice.delete(f"/bookings/{booking}", status=200)
    assert [each["type"] for each in alice.get("/notifications").json] == ["BOOKING_CONFIRMED"]
    assert kinds_waiting(site) == {"BOOKING_CANCELLED"}
    # What waits was wanted when it was written.
    choose(alice, {"BOOKING_CANCELLED": {"email": False}}, status=200)
    assert kinds_waiting(site) == {"BOOKING_CANCELLED"}


def test_what_is_no_type_to_be_switched_is_always_sent_and_costs_no_query(site):
    alice = site.user()
    with session_scope(site.registry) as db:
        with site.queries() as queries:
            assert wants_notice(db, alice.id, "PASSWORD_RESET", "email")
            assert wants_notice(db, alice.id, None, "in_app")
        assert len(queries) == 0
        publish(Notice(db=db, user_id=alice.id, email="WELCOME", type="WELCOME"))
    assert "WELCOME" in kinds_waiting(site)


def test_they_are_read_once_in_a_unit_of_work(site):
    alice = site.user()
    alice.patch("/users/me", {"time_zone": "Asia/Tokyo"}, status=200)
    with session_scope(site.registry) as db, site.queries() as queries:
        assert preferences_of(db, alice.id).time_zone == "Asia/Tokyo"
        assert preferences_of(db, alice.id).wants("ORG_INVITE", "email")
    assert len([each for each in queries.statements if "user_preferences" in each]) == 1


def test_they_are_shown_by_one_query_and_changed_in_one_transaction(site):
    alice = site.user()
    alice.get(PATH, status=200)
    with site.queries() as queries:
        alice.get(PATH, status=200)
    shown = [each for each in queries.statements if "token_cutoffs" not in each]
    assert [each.split()[0] for each in shown] == ["SELECT"]
    with site.queries() as queries:
        choose(alice, {"ORG_INVITE": {"email": False}}, status=200)
    changed = [each.split()[0] for each in queries.statements if "token_cutoffs" not in each]
    assert changed == ["BEGIN", "INSERT", "SELECT", "UPDATE", "SELECT", "COMMIT"]


def test_what_was_chosen_for_a_channel_that_a_type_has_lost_does_not_count(site):
    alice = site.user()
    choose(alice, {"ORG_INVITE": {"email": False}}, status=200)
    with session_scope(site.registry) as db:
        mine = preferences_of(db, alice.id)
    assert not mine.wants("ORG_INVITE", "email")
    lost = {"ORG_INVITE": NoticeType("You belong to another organization", None, True)}
    others = SimpleNamespace(notice_types=lost)
    assert replace(mine, registry=others).wants("ORG_INVITE", "email")


def test_the_openapi_document_tells_the_title_of_each_type_and_what_holds_by_default(site):
    schemas = site.anonymous.get("/openapi.json").json["components"]["schemas"]
    for name in ("Notices", "NoticesAnswer"):
        told = schemas[name]["properties"]["ORG_INVITE"]
        assert told["description"] == "You belong to another organization"
        assert told["x-default"] == BOTH
    assert schemas["Notices"]["additionalProperties"] is False
    assert "additionalProperties" not in schemas["NoticesAnswer"]


def test_a_deleted_account_has_the_defaults_and_leaves_no_row(site):
    alice = site.user()
    choose(alice, {"ORG_INVITE": {"email": False}}, status=200)
    with session_scope(site.registry) as db:
        accounts.delete(db, alice.id)
    with session_scope(site.registry) as db:
        assert db.scalar(sa.select(sa.func.count()).select_from(user_preferences)) == 0
        assert preferences_of(db, alice.id).wants("ORG_INVITE", "email")


def test_an_account_that_is_deleted_meanwhile_is_a_401(site):
    alice = site.user()
    with session_scope(site.registry) as db:
        db.write(sa.delete(users).where(users.c.id == alice.id))
    alice.get(PATH, status=401)
    choose(alice, {"ORG_INVITE": {"email": False}}, status=401)
