"""What a booking and a user's preferences have of reminders."""

from __future__ import annotations

from typing import Any

from marshmallow import ValidationError, fields, validate

from scheduling.plugin import Choice, StrictSchema

EMAIL, IN_APP = "email", "in_app"

MOST = 5
"""How many reminders a booking can have."""

MOST_MINUTES = 28 * 24 * 60
"""How long before a booking a reminder can be: four weeks."""


class Minutes(fields.Integer):
    """How many minutes before the start; a whole number, and no text."""

    default_error_messages = {"invalid": "must be a whole number"}  # noqa: RUF012

    def _validated(self, value: Any) -> int:
        if type(value) is not int:
            raise self.make_error("invalid")
        return value


class Reminder(StrictSchema):
    """A reminder: how many minutes before the start, and on which channel."""

    minutes = Minutes(
        required=True,
        validate=validate.Range(0, MOST_MINUTES, error="must be from {min} to {max}"),
        metadata={"description": "How many minutes before the start; 0 is at the start.", "examples": [60]},
    )
    channel = Choice(EMAIL, IN_APP, required=True, metadata={"examples": [EMAIL]})


def _require_different(reminders: list[dict[str, Any]]) -> None:
    pairs = {(reminder["minutes"], reminder["channel"]) for reminder in reminders}
    if len(pairs) < len(reminders):
        raise ValidationError("must be different from each other")


def reminders_field(description: str) -> fields.List[dict[str, Any]]:
    """Make the field of a list of reminders."""
    return fields.List(
        fields.Nested(Reminder),
        validate=[
            validate.Length(max=MOST, error="must be at most {max}"),
            _require_different,
        ],
        metadata={"description": description},
    )
