"""Refused overlaps and free/busy are what a model says that knows nothing but hours."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from scheduling.times import format_timestamp, parse_timestamp

BASE = datetime(2098, 10, 20, tzinfo=UTC)
# With changes of clocks in the time of the test, by an hour and by half of one, and offsets of all kinds.
ZONES = ["UTC", "Europe/Berlin", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia", "America/St_Johns"]

ACTS = st.tuples(
    st.sampled_from(["book", "book", "book", "move", "move", "cancel", "restore"]),
    st.integers(0, 24 * 60),
    st.one_of(st.integers(1, 30), st.sampled_from([23, 24, 25, 24 * 32 - 1, 24 * 32, 24 * 32 + 1, 24 * 50])),
    st.booleans(),
    st.integers(0, 9),
    st.sampled_from(ZONES),
)
WINDOWS = st.tuples(st.integers(-48, 24 * 60), st.integers(1, 92 * 24))


def moment(hour):
    return BASE + timedelta(hours=hour)


def written(hour, zone):
    """Return a moment as a clock of a zone shows it."""
    return moment(hour).astimezone(ZoneInfo(zone)).isoformat()


@dataclass
class Model:
    """The bookings of a user: from which hour until which, and whether they are confirmed."""

    bookings: dict = field(default_factory=dict)

    def is_taken(self, start, end, besides=None):
        confirmed = (times for i, (*times, on) in self.bookings.items() if on and i != besides)
        return any(begins < end and ends > start for begins, ends in confirmed)

    def busy(self, start, end):
        """Return the spans of hours in which something is, one hour after the other."""
        hours = {
            hour
            for begins, ends, on in self.bookings.values()
            if on
            for hour in range(max(begins, start), min(ends, end))
        }
        firsts = sorted(hour for hour in hours if hour - 1 not in hours)
        lasts = sorted(hour + 1 for hour in hours if hour + 1 not in hours)
        return list(zip(firsts, lasts, strict=True))


def do(client, model, act):
    """Do a thing by the API and with the model, which says what is answered."""
    kind, start, length, refuses, number, zone = act
    end = start + length
    times = {"start": written(start, zone), "end": written(end, zone)}
    word = {"on_conflict": "reject"} if refuses else {}
    if kind == "book":
        is_refused = refuses and model.is_taken(start, end)
        wanted = {"title": "T", **times, **word}
        answer = client.post("/bookings", wanted, status=409 if is_refused else 201)
        if not is_refused:
            model.bookings[answer.json["booking"]["id"]] = (start, end, True)
        return
    if not model.bookings:
        return
    booking_id = list(model.bookings)[number % len(model.bookings)]
    path, (begins, ends, on) = f"/bookings/{booking_id}", model.bookings[booking_id]
    if kind == "move":
        moves = (begins, ends) != (start, end)
        is_refused = not on or (moves and refuses and model.is_taken(start, end, booking_id))
        client.patch(path, times | word, status=409 if is_refused else 200)
        after = (start, end, True)
    elif kind == "cancel":
        is_refused = not on
        client.delete(path, status=404 if is_refused else 200)
        after = (begins, ends, False)
    else:
        is_refused = on or (refuses and model.is_taken(begins, ends))
        client.post(f"{path}/restore", word, status=409 if is_refused else 200)
        after = (begins, ends, True)
    if not is_refused:
        model.bookings[booking_id] = after


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(ACTS, max_size=12), st.lists(WINDOWS, min_size=1, max_size=3))
@example([("book", 0, 24 * 50, False, 0, "UTC"), ("book", 24 * 50, 1, True, 0, "UTC")], [(0, 2000)])
@example([("book", 1, 24, False, 0, "UTC"), ("book", 24, 1, True, 0, "UTC")], [(-1, 1), (25, 1)])
def test_what_is_refused_and_free_busy_are_as_the_model_says(site, acts, windows):
    alice, model = site.user(), Model()
    for act in acts:
        do(alice, model, act)
    for start, length in windows:
        window = f"from={format_timestamp(moment(start))}&to={format_timestamp(moment(start + length))}"
        [told] = alice.get(f"/bookings/freebusy?{window}", status=200).json
        spans = [
            tuple(
                (parse_timestamp(span[name]) - BASE) // timedelta(hours=1)
                for name in ("start_time", "end_time")
            )
            for span in told["busy"]
        ]
        assert spans == model.busy(start, start + length)
