"""What ``/`` answers to programs."""

from marshmallow import fields

from scheduling.web.schemas import AnswerSchema


class EnabledPlugin(AnswerSchema):
    """A plugin of this installation, and the distribution that it comes from."""

    name = fields.String(metadata={"examples": ["bookings"]})
    summary = fields.String(metadata={"examples": ["Bookings: create, list, change and cancel times."]})
    distribution = fields.String(metadata={"examples": ["scheduling 1.0.0"]})


class Links(AnswerSchema):
    """Where the description of the API is, relative to the server."""

    docs = fields.String(metadata={"examples": ["/docs"]})
    openapi = fields.String(metadata={"examples": ["/api/v1/openapi.json"]})
    api_catalog = fields.String(metadata={"examples": ["/.well-known/api-catalog"]})
    health = fields.String(metadata={"examples": ["/health"]})
    source = fields.String(allow_none=True, metadata={"examples": [None]})


class Installation(AnswerSchema):
    """What this is, whether it is well, and what it can do."""

    name = fields.String(metadata={"examples": ["Scheduling"]})
    summary = fields.String(metadata={"examples": ["Self-hosted event scheduling"]})
    version = fields.String(metadata={"examples": ["1.0.0"]})
    ready = fields.Boolean()
    reason = fields.String(
        allow_none=True, metadata={"description": "Why it is not ready.", "examples": [None]}
    )
    plugins = fields.List(fields.Nested(EnabledPlugin))
    links = fields.Nested(Links)
