"""What the booking calls read and answer."""

from marshmallow import fields

from scheduling.plugin import (
    AnswerSchema,
    Choice,
    Done,
    Moment,
    OneLine,
    PageQuery,
    PatchSchema,
    RequestSchema,
)

STATUSES = ("confirmed", "cancelled")

# Answers say start_time and end_time; requests may use these names too.
SYNONYMS = {"start_time": "start", "end_time": "end"}


class NewBooking(RequestSchema):
    """``POST /bookings``."""

    synonyms = SYNONYMS

    title = OneLine(required=True)
    start = Moment(required=True)
    end = Moment(required=True)


class BookingPatch(PatchSchema):
    """``PATCH /bookings/{id}``."""

    synonyms = SYNONYMS

    title = OneLine()
    start = Moment()
    end = Moment()


class BookingQuery(PageQuery):
    """``GET /bookings``: ``from`` and ``to`` keep the bookings that overlap the window."""

    status = Choice(*STATUSES)
    window_start = Moment(data_key="from")
    window_end = Moment(data_key="to")


class BookingAnswer(AnswerSchema):
    """A booking."""

    id = fields.Integer()
    user_id = fields.Integer()
    title = fields.String()
    start_time = Moment()
    end_time = Moment()
    status = Choice(*STATUSES)
    created_at = Moment()
    updated_at = Moment()


class BookingDone(Done):
    """What was done with a booking, and the booking as it is now."""

    booking = fields.Nested(BookingAnswer)
