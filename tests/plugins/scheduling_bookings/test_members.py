"""What other plugins add to bookings."""

import pytest
from pyramid.httpexceptions import HTTPConflict

from scheduling.plugin import Invalid, session_scope
from scheduling.testing import Site
from scheduling_bookings import queries, service
from scheduling_bookings.events import BookingCancelled, BookingCreated, BookingRestored, BookingUpdated
from tests.kit.factories import BOOKING, book, refused_fields

MOOD = """
from scheduling.plugin import Choice
config.add_member("booking", "mood", lambda: Choice("good", "bad"), "good")
"""


@pytest.fixture
def site(install_plugin, empty_database_url):
    install_plugin("acme", manifest="requires=('bookings',)", includeme=MOOD)
    site = Site(empty_database_url, ["acme", "bookings"])
    yield site
    site.close()


@pytest.fixture
def heard(site):
    """What the events told of the members."""
    told = []

    def note(event):
        told.append((type(event).__name__, event.members))

    kinds = [[kind] for kind in (BookingCreated, BookingUpdated, BookingCancelled, BookingRestored)]
    for kind in kinds:
        site.registry.registerHandler(note, kind)
    return told


def mood(value):
    return {"extensions": {"acme": {"mood": value}}}


def test_a_member_is_kept_shown_everywhere_and_told_by_the_events(site, heard):
    alice = site.user()
    booking = book(alice, **mood("bad"))
    path = f"/bookings/{booking['id']}"
    assert booking["extensions"] == mood("bad")["extensions"]
    assert alice.get(path).json == booking
    assert alice.get("/bookings").json == [booking]
    renamed = alice.patch(path, {"title": "Yoga"}, status=200).json["booking"]
    assert renamed["extensions"] == booking["extensions"]
    changed = alice.patch(path, mood("good"), status=200)
    assert changed.json["booking"]["extensions"] == mood("good")["extensions"]
    assert changed.json["booking"]["version"] == renamed["version"] + 1
    assert changed.headers["ETag"] == alice.get(path).headers["ETag"]
    alice.delete(path)
    assert alice.post(f"{path}/restore", {}, status=200).json["extensions"] == mood("good")["extensions"]
    assert heard == [
        ("BookingCreated", {"acme.mood": "bad"}),
        ("BookingUpdated", {"acme.mood": "bad"}),
        ("BookingUpdated", {"acme.mood": "good"}),
        ("BookingCancelled", {"acme.mood": "good"}),
        ("BookingRestored", {"acme.mood": "good"}),
    ]


def test_a_booking_for_which_none_was_sent_has_the_default(site, heard):
    assert book(site.user())["extensions"] == mood("good")["extensions"]
    assert heard == [("BookingCreated", {"acme.mood": "good"})]


def test_a_wrong_value_is_refused_by_its_name(site):
    alice = site.user()
    refused = alice.post("/bookings", BOOKING | mood("ugly"), status=400)
    assert refused_fields(refused) == {"extensions.acme.mood"}


def test_the_plugin_that_added_it_may_veto(site):
    alice = site.user()
    path = f"/bookings/{book(alice)['id']}"

    def veto(event):
        raise Invalid({"extensions.acme.mood": ["is not wanted"]})

    site.registry.registerHandler(veto, [BookingUpdated])
    assert refused_fields(alice.patch(path, mood("bad"), status=400)) == {"extensions.acme.mood"}
    assert alice.get(path).json["extensions"] == mood("good")["extensions"]


def test_of_two_calls_that_read_the_same_booking_neither_undoes_the_other_ones_members(site):
    booking_id = book(site.user())["id"]
    with session_scope(site.registry) as db:
        read = queries.find(db, booking_id)
        service.update(db, read, {}, {"acme.mood": "bad"}, None)
    with session_scope(site.registry) as db, pytest.raises(HTTPConflict):
        service.update(db, read, {}, {"acme.mood": "good"}, None)
