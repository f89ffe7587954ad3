"""Compares every answer of a site with what its view declares: members, types, status, headers and codes."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import orjson
from marshmallow import Schema, ValidationError, fields
from pyramid.interfaces import INewResponse

from scheduling.times import format_timestamp
from scheduling.web.declarations import declarations
from scheduling.web.problems import PROBLEM
from scheduling.web.request import API_POLICY
from scheduling.web.schemas import JsonObject, Moment, Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyramid.events import NewResponse
    from pyramid.response import Response

    from scheduling.web.declarations import Declaration
    from scheduling.web.registry import WebRegistry
    from scheduling.web.request import Request

_TYPES: tuple[tuple[tuple[type[fields.Field[Any]], ...], tuple[type, ...], str], ...] = (
    ((fields.Boolean,), (bool,), "true or false"),
    ((fields.Integer,), (int,), "a whole number"),
    ((fields.Number,), (int, float), "a number"),
    ((fields.String, fields.UUID, fields.DateTime, fields.Date, fields.Time, Moment), (str,), "a string"),
    ((fields.List, fields.Tuple), (list,), "an array"),
    ((fields.Mapping, JsonObject), (dict,), "an object"),
)
"""The type of JSON that a field is: ``Field.deserialize`` would take the text "7" for a number, too."""


class DeclaredAnswers:
    """Fails whatever calls a view that answers something else than it declares.

    Views that declare nothing, as one of a plugin that is older than ``response=``, are passed over.
    """

    def __init__(self, registry: WebRegistry) -> None:
        self._declared: dict[tuple[type, str, str], Declaration] = {
            (view.place.resource, view.view_name, view.method): view for view in declarations(registry)
        }
        self._with_etag = {
            (view.place.resource, view.view_name)
            for view in self._declared.values()
            if view.options.get("etag") and view.method == "GET"
        }
        self.compared: set[type[Schema]] = set()
        """The schemas with which something has been compared so far."""
        registry.registerHandler(self._check, (INewResponse,))

    def _check(self, event: NewResponse) -> None:
        request: Request = event.request
        found = vars(request)
        method = "GET" if request.method == "HEAD" else request.method
        view = self._declared.get((type(found.get("context")), found.get("view_name", ""), method))
        # What a browser is shown instead is a page, which has a policy of its own.
        is_page = request.content_security_policy != API_POLICY
        if view is None or not view.is_declared or is_page:
            return
        faults = list(self._faults(view, request, event.response))
        if faults:
            name = f"{view.callable.__module__}.{view.callable.__qualname__}"
            what = f"{method} {request.path_text} → {event.response.status_int}"
            raise AssertionError(f"The answer of {name} ({what}) is not as declared: {'; '.join(faults)}")

    def _faults(self, view: Declaration, request: Request, response: Response) -> Iterator[str]:
        """Yield what is wrong with an answer."""
        status = response.status_int
        if status >= HTTPStatus.BAD_REQUEST:
            yield from self._problem_faults(view, response)
        elif status == HTTPStatus.NOT_MODIFIED:
            if not view.options.get("etag"):
                yield "the status 304 is only for a view with etag=True"
        elif status != view.status:
            yield f"the status is not {view.status}"
        else:
            if view.options.get("if_match") and request.expected_versions == frozenset():
                yield "If-Match names no version, and the answer is not 412: see write_if_match"
            yield from self._header_faults(view, response)
            yield from self._body_faults(view, response)

    def _header_faults(self, view: Declaration, response: Response) -> Iterator[str]:
        """Yield which header is missing that the OpenAPI document promises."""
        is_of_thing = (view.place.resource, view.view_name) in self._with_etag
        has_etag = view.options.get("etag") or (is_of_thing and view.method == "PATCH")
        if has_etag and "ETag" not in response.headers:
            yield "there is no ETag, and the view, or that of the GET, has etag=True"
        if view.options.get("location") and "Location" not in response.headers:
            yield "there is no Location, and the view has location="

    def _body_faults(self, view: Declaration, response: Response) -> Iterator[str]:
        if view.response is None:
            if response.body:
                yield "there is a body, and response= is None"
        elif response.content_type != "application/json":
            yield f"the body is {response.content_type}"
        else:
            yield from self._object_faults(view.response, orjson.loads(response.body), "")

    def _problem_faults(self, view: Declaration, response: Response) -> Iterator[str]:
        if response.content_type != PROBLEM:
            yield f"a failure is {response.content_type}"
            return
        problem = orjson.loads(response.body)
        declared = {(code.status, code.word): code for code in view.codes}
        code = declared.get((response.status_int, problem.get("code")))
        if code is None:
            yield f"the code {problem.get('code')!r} with this status is not in errors="
        elif code.members is not None:
            further = {name: problem.pop(name) for name in code.members().fields if name in problem}
            yield from self._object_faults(code.members, further, "")
        yield from self._object_faults(Problem, problem, "")

    def _object_faults(self, schema: Schema | type[Schema], value: Any, path: str) -> Iterator[str]:
        """Yield what is wrong with an object, or with an array of them; ``path`` is where it stands."""
        schema = schema() if isinstance(schema, type) else schema
        if schema.many:
            if not isinstance(value, list):
                yield f"{path or 'the body'} is no array"
                return
            for i, item in enumerate(value):
                yield from self._members_faults(schema, item, f"{path}[{i}]")
        else:
            yield from self._members_faults(schema, value, path)

    def _members_faults(self, schema: Schema, value: Any, path: str) -> Iterator[str]:
        if not isinstance(value, dict):
            yield f"{path or 'the body'} is no object"
            return
        self.compared.add(type(schema))
        members = {field.data_key or name: field for name, field in schema.fields.items()}
        for name in value.keys() - members.keys():
            yield f"{_join(path, name)} is not declared by {type(schema).__name__}"
        for name, field in members.items():
            if name in value:
                yield from self._value_faults(field, value[name], _join(path, name))
            elif field.required:
                yield f"{_join(path, name)} is missing"

    def _value_faults(self, field: fields.Field[Any], value: Any, path: str) -> Iterator[str]:
        """Yield what is wrong with the value of a member or with an element of an array."""
        if value is None:
            if not field.allow_none:
                yield f"{path} is null"
        elif isinstance(field, fields.Nested):
            # Nested knows by itself whether there are many; its schema may not.
            if field.many and isinstance(value, list):
                for i, item in enumerate(value):
                    yield from self._members_faults(field.schema, item, f"{path}[{i}]")
            else:
                yield from self._object_faults(field.schema, value, path)
        elif (wanted := _other_type(field, value)) is not None:
            yield f"{path} is not {wanted}: {value!r}"
        elif isinstance(field, fields.List):
            for i, item in enumerate(value):
                yield from self._value_faults(field.inner, item, f"{path}[{i}]")
        else:
            yield from _format_faults(field, value, path)


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _other_type(field: fields.Field[Any], value: Any) -> str | None:
    """Return of which type a value should be, in words, or None where it is, or nothing is known of it."""
    for kinds, types, words in _TYPES:
        if isinstance(field, kinds):
            is_right = isinstance(value, types) and (bool in types or not isinstance(value, bool))
            return None if is_right else words
    return None


def _format_faults(field: fields.Field[Any], value: Any, path: str) -> Iterator[str]:
    """Yield what is wrong with a value of the right type: its format, or what the field's checks say."""
    if isinstance(field, fields.Constant):
        if value != field.constant:
            yield f"{path} is not {field.constant!r}: {value!r}"
        return
    try:
        read = field.deserialize(value)
    except ValidationError as error:
        yield f"{path} {error.messages}: {value!r}"
        return
    if isinstance(field, Moment) and isinstance(read, datetime) and format_timestamp(read) != value:
        yield f"{path} is not in UTC with milliseconds: {value!r}"
