"""What the booking calls read."""

from scheduling.plugin import Choice, Moment, OneLine, PageQuery, PatchSchema, RequestSchema

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

    status = Choice("confirmed", "cancelled")
    window_start = Moment(data_key="from")
    window_end = Moment(data_key="to")
