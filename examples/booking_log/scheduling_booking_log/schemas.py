"""What the calls answer."""

from marshmallow import fields

from scheduling.plugin import AnswerSchema, Choice, Moment


class LineAnswer(AnswerSchema):
    """A line of the log."""

    id = fields.UUID()
    event = Choice("BookingCreated", "BookingCancelled")
    user_id = fields.Integer()
    booking_id = fields.Integer()
    title = fields.String()
    start_time = Moment()
    end_time = Moment()
