"""Whatever happens to bookings, and however late workers are, reminders are those of a naive model."""

from collections import Counter

import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scheduling.messaging.models import State
from scheduling_bookings.models import bookings
from scheduling_notifications.models import notifications
from tests.kit.factories import count_rows
from tests.kit.reminders import MINUTE, book_in, let_time_pass, reminder, reminders_of, times_in

# Time passes by tens of minutes, and bookings begin at the seventh minute of one. So nothing is due at the
# moment at which something happens, and one for the start itself is three minutes late, or too late.
TENS = st.integers(0, 30).map(lambda number: 10 * number)
STARTS = TENS.map(lambda minutes: minutes + 7)
REMINDERS = st.lists(
    st.builds(reminder, TENS, st.sampled_from(["email", "in_app"])),
    max_size=5,
    unique_by=lambda each: (each["minutes"], each["channel"]),
)
WHICH = st.integers(0, 2)
STEPS = st.one_of(
    st.tuples(st.just("book"), STARTS, REMINDERS),
    st.tuples(st.just("move"), WHICH, STARTS),
    st.tuples(st.just("rename"), WHICH),
    st.tuples(st.just("change"), WHICH, REMINDERS),
    st.tuples(st.just("move_and_change"), WHICH, STARTS, REMINDERS),
    st.tuples(st.just("cancel"), WHICH),
    st.tuples(st.just("restore"), WHICH),
    st.tuples(st.just("let_pass"), TENS),
    st.tuples(st.just("deliver")),
)


class Booking:
    """A booking of the model. Moments are minutes; ``waiting`` are the reminders that will be told."""

    def __init__(self, path, start, reminders, now):
        self.path, self.start, self.reminders = path, start, reminders
        self.confirmed = True
        self.waiting = self.future(now)

    def future(self, now):
        return {
            (each["minutes"], each["channel"])
            for each in self.reminders
            if self.start - each["minutes"] > now
        }

    def change(self, now, start=None, reminders=None):
        is_moved = start is not None and start != self.start
        self.start = self.start if start is None else start
        self.reminders = self.reminders if reminders is None else reminders
        kept = {(each["minutes"], each["channel"]) for each in self.reminders}
        self.waiting = self.future(now) | (set() if is_moved else self.waiting & kept)

    def tell(self, now):
        """Return what is told now, which does not wait any more."""
        due = {(minutes, channel) for minutes, channel in self.waiting if self.start - minutes <= now}
        self.waiting -= due
        return [(*each, self.path) for each in due if now < self.start + (0 if each[0] else 5)]


class Model:
    """A site, and what should be true of it."""

    def __init__(self, site):
        self.site, self.alice = site, site.user("Alice")
        self.now, self.bookings, self.told = 0, [], Counter()

    def some(self, number, *, confirmed=True):
        of_kind = [each for each in self.bookings if each.confirmed is confirmed and each.start > self.now]
        return of_kind[number % len(of_kind)] if of_kind else None

    def book(self, begins_in, reminders):
        path = f"/bookings/{book_in(self.alice, begins_in * MINUTE, *reminders)['id']}"
        self.bookings.append(Booking(path, self.now + begins_in, reminders, self.now))

    def patch(self, number, body, **changes):
        if booking := self.some(number):
            self.alice.patch(booking.path, body, status=200)
            booking.change(self.now, **changes)

    def move(self, number, begins_in):
        self.patch(number, times_in(begins_in * MINUTE), start=self.now + begins_in)

    def rename(self, number):
        self.patch(number, {"title": "Yoga"})

    def change(self, number, reminders):
        self.patch(number, {"reminders": reminders}, reminders=reminders)

    def move_and_change(self, number, begins_in, reminders):
        body = times_in(begins_in * MINUTE) | {"reminders": reminders}
        self.patch(number, body, start=self.now + begins_in, reminders=reminders)

    def cancel(self, number):
        if booking := self.some(number):
            self.alice.delete(booking.path, status=200)
            booking.confirmed, booking.waiting = False, set()

    def restore(self, number):
        if booking := self.some(number, confirmed=False):
            self.alice.post(f"{booking.path}/restore", {}, status=200)
            booking.confirmed, booking.waiting = True, booking.future(self.now)

    def let_pass(self, minutes):
        let_time_pass(self.site, minutes * MINUTE)
        self.now += minutes

    def deliver(self):
        self.site.deliver()
        for booking in self.bookings:
            self.told.update(booking.tell(self.now))

    def check(self):
        """Compare the messages, the e-mails and the notices with the model."""
        assert self.found(State.SCHEDULED) == Counter(
            (minutes, channel, each.path) for each in self.bookings for minutes, channel in each.waiting
        )
        assert self.found(State.DONE) == self.told
        by_channel = Counter(channel for _, channel, _ in self.told.elements())
        mails = [mail for mail in self.site.mail if mail.subject.startswith("Reminder: ")]
        assert len(mails) == by_channel["email"]
        is_reminder = notifications.c.type == "BOOKING_REMINDER"
        told = count_rows(self.site, sa.select(notifications.c.id).where(is_reminder).subquery())
        assert told == by_channel["in_app"]

    def found(self, state):
        data = [message.payload["data"] for message in reminders_of(self.site, state)]
        return Counter((each["minutes"], each["channel"], f"/bookings/{each['booking_id']}") for each in data)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(STEPS, max_size=25))
def test_reminders_are_those_of_the_model(site, steps):
    site.clear()
    model = Model(site)
    model.book(127, [reminder(60), reminder(0, "in_app")])
    for name, *arguments in [*steps, ("deliver",), ("let_pass", 1000), ("deliver",)]:
        getattr(model, name)(*arguments)
        model.check()
    assert count_rows(site, bookings) == len(model.bookings)
