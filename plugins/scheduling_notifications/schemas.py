"""What the notification calls answer."""

from marshmallow import fields

from scheduling.plugin import AnswerSchema, Done, JsonObject, Moment


class NotificationAnswer(AnswerSchema):
    """A notification."""

    id = fields.Integer()
    user_id = fields.Integer()
    type = fields.String()
    title = fields.String()
    message = fields.String(allow_none=True)
    is_read = fields.Boolean()
    metadata = JsonObject(allow_none=True)
    created_at = Moment()


class UnreadCount(AnswerSchema):
    """``GET /notifications/count``."""

    unread = fields.Integer()


class AllNotificationsRead(Done):
    """``PATCH /notifications/read-all``: ``updated`` is how many were unread."""

    updated = fields.Integer()


class NotificationRead(Done):
    """``PATCH /notifications/{id}/read``."""

    notification = fields.Nested(NotificationAnswer)
