import json
import uuid

from scheduling.plugin import Message
from scheduling_booking_log.consumer import write_line

STANDUP = {"title": "Stand-up ☕", "start": "2099-04-01T09:00:00Z", "end": "2099-04-01T09:30:00Z"}


def records(log):
    return [json.loads(line) for line in log.read_text().splitlines()]


def test_a_line_for_a_booking_and_one_for_its_end(site, log):
    alice = site.user("Alice")
    booking = alice.post("/bookings", STANDUP, status=201).json["booking"]
    alice.delete(f"/bookings/{booking['id']}", status=200)

    site.deliver()

    created, cancelled = records(log)
    assert uuid.UUID(created.pop("id"))
    assert created == {
        "event": "BookingCreated",
        "user_id": alice.id,
        "booking_id": booking["id"],
        "title": "Stand-up ☕",
        "start_time": "2099-04-01T09:00:00.000Z",
        "end_time": "2099-04-01T09:30:00.000Z",
    }
    assert (cancelled["event"], cancelled["booking_id"]) == ("BookingCancelled", booking["id"])


def test_no_line_for_a_booking_that_was_refused_or_only_changed(site, log):
    alice = site.user("Alice")
    alice.post("/bookings", STANDUP | {"end": STANDUP["start"]}, status=400)
    booking = alice.post("/bookings", STANDUP, status=201).json["booking"]
    alice.patch(f"/bookings/{booking['id']}", {"title": "Renamed"}, status=200)

    site.deliver()

    assert [record["event"] for record in records(log)] == ["BookingCreated"]


def test_a_message_that_is_delivered_again_adds_no_line(site, log):
    first, second = (Message(uuid.uuid4(), "BookingCreated", {"booking_id": i}, 1) for i in (1, 2))

    for message in (first, second, first, second):
        write_line(message, site.registry)

    assert [record["booking_id"] for record in records(log)] == [1, 2]


def test_a_line_that_was_interrupted_is_written_anew(site, log):
    first, second = (Message(uuid.uuid4(), "BookingCreated", {"booking_id": i}, 1) for i in (1, 2))
    write_line(first, site.registry)
    log.write_text(log.read_text() + f'{{"id": "{second.id}", "eve')

    write_line(second, site.registry)

    assert [record["booking_id"] for record in records(log)] == [1, 2]


def test_the_openapi_document_has_the_calls_without_a_line_for_them(site):
    document = site.anonymous.get("/openapi.json").json
    told = document["paths"]["/api/v1/booking-log"]["get"]
    assert told["operationId"] == "list_booking_log"
    answered = told["responses"]["200"]["content"]["application/json"]["schema"]
    assert answered == {"type": "array", "items": {"$ref": "#/components/schemas/Line"}}
    assert "/api/v1/booking-log/{line_id}" in document["paths"]


def test_admins_see_the_log(site, log):
    admin = site.user("Ada", admin=True)
    assert admin.get("/booking-log", status=200).json == []
    assert admin.get(f"/booking-log/{uuid.uuid4()}", status=404).json["code"] == "no_log"
    booking = admin.post("/bookings", STANDUP, status=201).json["booking"]
    site.deliver()
    [line] = admin.get("/booking-log", status=200).json
    assert (line["event"], line["booking_id"]) == ("BookingCreated", booking["id"])
    assert admin.get(f"/booking-log/{line['id']}", status=200).json == line
    assert admin.get(f"/booking-log/{uuid.uuid4()}", status=404).json["code"] == "not_found"
    site.user("Bob").get("/booking-log", status=403)


def test_a_line_that_is_being_written_is_not_shown(site, log):
    admin = site.user("Ada", admin=True)
    admin.post("/bookings", STANDUP, status=201)
    site.deliver()
    whole = admin.get("/booking-log", status=200).json
    log.write_text(log.read_text() + '{"id": "0198c5d2-7c1a-7d3e-9b5f-2f6a1c0e4d8b", "eve')
    assert admin.get("/booking-log", status=200).json == whole
