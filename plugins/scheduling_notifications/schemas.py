"""What the notification calls answer."""

from marshmallow import fields

from scheduling.plugin import AnswerSchema, Done, JsonObject, Moment


class NotificationAnswer(AnswerSchema):
    """A notification."""

    id = fields.Integer()
    user_id = fields.Integer()
    type = fields.String(metadata={"examples": ["BOOKING_CONFIRMED"]})
    title = fields.String(metadata={"examples": ['Booking "Yoga" confirmed']})
    message = fields.String(allow_none=True, metadata={"examples": ["It is from 9:00 to 10:00 UTC."]})
    is_read = fields.Boolean()
    metadata = JsonObject(allow_none=True, metadata={"examples": [{"booking_id": 1}]})
    created_at = Moment()


class UnreadCount(AnswerSchema):
    """How many notifications are unread."""

    unread = fields.Integer()


class AllNotificationsRead(Done):
    """That all notifications were marked as read; ``updated`` is how many were unread."""

    updated = fields.Integer()


class NotificationRead(Done):
    """That a notification was marked as read, and the notification as it is now."""

    notification = fields.Nested(NotificationAnswer)
