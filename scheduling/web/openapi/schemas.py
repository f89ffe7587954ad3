"""What the call of the document answers."""

from marshmallow import fields

from scheduling.web.schemas import AnswerSchema


class Document(AnswerSchema):
    """An OpenAPI 3.1 document."""

    openapi = fields.String(metadata={"examples": ["3.1.0"]})
    info = fields.Dict()
    servers = fields.List(fields.Dict())
    tags = fields.List(fields.Dict())
    paths = fields.Dict()
    components = fields.Dict()
