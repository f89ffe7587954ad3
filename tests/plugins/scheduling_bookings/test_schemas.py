import pytest

TITLE = {"title": "Standup"}
END = "2099-07-01T23:00:00Z"


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ("2099-07-01T10:00:00Z", "2099-07-01T10:00:00.000Z"),
        ("2099-07-01T10:00:00", "2099-07-01T10:00:00.000Z"),
        ("2099-07-01t10:00:00z", "2099-07-01T10:00:00.000Z"),
        ("2099-07-01 10:00:00Z", "2099-07-01T10:00:00.000Z"),
        ("2099-07-01T10:00:00+00:00", "2099-07-01T10:00:00.000Z"),
        ("2099-07-01T10:00:00-00:00", "2099-07-01T10:00:00.000Z"),
        ("2099-07-01T10:00:00+02:00", "2099-07-01T08:00:00.000Z"),
        ("2099-07-01T10:00:00-05:30", "2099-07-01T15:30:00.000Z"),
        ("2099-07-01T01:00:00+14:00", "2099-06-30T11:00:00.000Z"),
        ("2099-07-01T10:00:00.1Z", "2099-07-01T10:00:00.100Z"),
        ("2099-07-01T10:00:00.12+00:00", "2099-07-01T10:00:00.120Z"),
        ("2099-07-01T10:00:00.123", "2099-07-01T10:00:00.123Z"),
        ("2099-07-01T10:00:00.123456Z", "2099-07-01T10:00:00.123Z"),
        ("2099-07-01T10:00:00.999999999999Z", "2099-07-01T10:00:00.999Z"),
        ("2099-06-30T23:59:60Z", "2099-07-01T00:00:00.000Z"),
        ("2099-07-01T01:59:60+02:00", "2099-07-01T00:00:00.000Z"),
        ("  2099-07-01T10:00:00Z\n", "2099-07-01T10:00:00.000Z"),
    ],
)
def test_an_rfc_3339_timestamp_is_read_with_its_offset(site, sent, read):
    alice = site.user()
    booking = alice.post("/bookings", TITLE | {"start": sent, "end": END}, status=201).json["booking"]
    assert booking["start_time"] == read
    assert alice.get(f"/bookings/{booking['id']}").json["start_time"] == read


@pytest.mark.parametrize(
    "sent",
    [
        "tomorrow",
        "2099-07-01",
        "10:00:00Z",
        "2099-07-01T10:00Z",
        "2099-07-01T10Z",
        "20990701T100000Z",
        "2099-W27-3T10:00:00Z",
        "2099-182T10:00:00Z",
        "2099-02-29T10:00:00Z",
        "2099-13-01T10:00:00Z",
        "2099-00-01T10:00:00Z",
        "2099-07-01T24:00:00Z",
        "2099-07-01T10:60:00Z",
        "2099-07-01T10:00:61Z",
        "2099-07-01T10:00:00.Z",
        "2099-07-01T10:00:00,5Z",
        "2099-07-01T10:00:00+2",
        "2099-07-01T10:00:00+0200",
        "2099-07-01T10:00:00+24:00",
        "2099-07-01T10:00:00+02:60",
        "2099-07-01T10:00:00 UTC",
        "2099-07-01T10:00:00Europe/Berlin",
        "2099-07-01T10:00:00Z2099-07-01T10:00:00Z",
        "12099-07-01T10:00:00Z",
        "+02099-07-01T10:00:00Z",
        "0000-01-01T00:00:00Z",
        "9999-12-31T23:59:60Z",
        "9999-12-31T23:59:59-01:00",
        "\u0662\u0660\u0669\u0669-07-01T10:00:00Z",
        "4086252000",
    ],
)
def test_anything_else_is_refused(site, sent):
    refused = site.user().post("/bookings", TITLE | {"start": sent, "end": END}, status=400)
    assert set(refused.json["errors"]) == {"start"}


@pytest.mark.parametrize("field", ["start", "end", "start_time", "end_time"])
def test_each_time_is_read_so(site, field):
    alice = site.user()
    times = {"start": "2099-06-01T10:00:00Z", "end": END}
    path = f"/bookings/{alice.post('/bookings', TITLE | times, status=201).json['booking']['id']}"
    del times[field.removesuffix("_time")]
    for refused in (
        alice.post("/bookings", TITLE | times | {field: "tomorrow"}, status=400),
        alice.patch(path, {field: "tomorrow"}, status=400),
    ):
        assert set(refused.json["errors"]) == {field.removesuffix("_time")}
    changed = alice.patch(path, {field: "2099-06-15t10:00:00.5+02:00"}).json["booking"]
    assert changed[f"{field.removesuffix('_time')}_time"] == "2099-06-15T08:00:00.500Z"
