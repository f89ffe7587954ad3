"""The operations of the document: what one call takes and what it answers."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from scheduling.web.openapi import headers, problems
from scheduling.web.openapi.docstrings import first_line, text
from scheduling.web.openapi.names import answers_list
from scheduling.web.openapi.tags import tag
from scheduling.web.schemas import PatchSchema

if TYPE_CHECKING:
    from marshmallow import Schema

    from scheduling.web.openapi.calls import Call

JSON = "application/json"

BEARER = "bearer"
"""The name of the security scheme."""


def operation(call: Call, operation_id: str, *, has_etag: bool) -> dict[str, Any]:
    """Return the operation object of a call, with marshmallow schemas where apispec puts references."""
    summary, description = _texts(call)
    told: dict[str, Any] = {
        "operationId": operation_id,
        "summary": summary,
        "description": description,
        "tags": [tag(call)],
        "security": _security(call),
        "parameters": _parameters(call),
        "requestBody": _body(call),
        "responses": _responses(call, has_etag=has_etag),
    }
    return {name: value for name, value in told.items() if value or name == "security"}


def _security(call: Call) -> list[dict[str, list[str]]]:
    token: dict[str, list[str]] = {BEARER: []}
    if not call.declared.is_public:
        return [token]
    return [{}, token] if call.option("optional_token") else []


def _texts(call: Call) -> tuple[str, str]:
    """Return the first line of the view's docstring, which is plain text, and the rest, in Markdown."""
    view, attribute = call.declared.callable, call.option("attr")
    documented = getattr(view, attribute) if attribute else view
    return first_line(documented).replace("`", ""), text(documented).partition("\n")[2].strip()


def _parameters(call: Call) -> list[dict[str, Any]]:
    found = list(call.path_parameters)
    if query := call.option("query"):
        found.append({"in": "query", "schema": query})
    if call.method == "GET" and call.option("etag"):
        found.append(headers.IF_NONE_MATCH)
    if call.declared.takes_idempotency_key:
        found.append(headers.IDEMPOTENCY_KEY)
    if call.option("if_match"):
        found.append(headers.IF_MATCH)
    return found


def _body(call: Call) -> dict[str, Any] | None:
    schema: type[Schema] | None = call.option("schema")
    if schema is None:
        return None
    required = issubclass(schema, PatchSchema) or any(field.required for field in schema().fields.values())
    return {"required": required, "content": {JSON: {"schema": schema}}}


def _description(call: Call) -> str:
    """Return what a good answer is, as its schema says it."""
    response = call.declared.response
    if response is None:
        return ""
    said = first_line(response if isinstance(response, type) else type(response))
    return f"A list. Each element: {said}" if said and answers_list(call) else said


def _responses(call: Call, *, has_etag: bool) -> dict[str, Any]:
    status = HTTPStatus(call.declared.status)
    good: dict[str, Any] = {
        "description": _description(call) or status.phrase,
        "headers": headers.of_answer(call, has_etag=has_etag),
    }
    if call.declared.response is not None:
        good["content"] = {JSON: {"schema": call.declared.response}}
    found = {str(status.value): good}
    if call.method == "GET" and has_etag:
        found["304"] = {"description": "Not Modified", "headers": headers.of_not_modified()}
    for number, codes in problems.codes_by_status(call):
        found[str(number)] = {"$ref": f"#/components/responses/{problems.response_name(codes)}"}
    return found
