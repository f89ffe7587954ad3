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
    Version,
)

STATUSES = ("confirmed", "cancelled")

_TITLE = {"examples": ["Yoga"]}
_END = {"examples": ["2099-04-01T10:00:00.000Z"]}

# Answers say start_time and end_time; requests may use these names too.
SYNONYMS = {"start_time": "start", "end_time": "end"}


class NewBooking(RequestSchema):
    """A booking that somebody wants."""

    synonyms = SYNONYMS

    title = OneLine(required=True, metadata=_TITLE)
    start = Moment(required=True)
    end = Moment(required=True, metadata=_END)


class BookingPatch(PatchSchema):
    """What changes of a booking; the rest stays."""

    synonyms = SYNONYMS

    title = OneLine(metadata=_TITLE)
    start = Moment()
    end = Moment(metadata=_END)


class BookingQuery(PageQuery):
    """``GET /bookings``: ``from`` and ``to`` keep the bookings that overlap the window."""

    status = Choice(*STATUSES, metadata={"description": "Only bookings with this status."})
    window_start = Moment(data_key="from", metadata={"description": "Bookings that end after this moment."})
    window_end = Moment(data_key="to", metadata={"description": "Bookings that start before this moment."})


class BookingAnswer(AnswerSchema):
    """A booking."""

    id = fields.Integer()
    user_id = fields.Integer()
    title = fields.String(metadata=_TITLE)
    start_time = Moment()
    end_time = Moment(metadata=_END)
    status = Choice(*STATUSES)
    created_at = Moment()
    updated_at = Moment()
    version = Version()


class BookingDone(Done):
    """What was done with a booking, and the booking as it is now."""

    booking = fields.Nested(BookingAnswer)
