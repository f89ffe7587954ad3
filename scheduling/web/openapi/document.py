"""Puts the OpenAPI 3.1 document together."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import orjson
from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from pyramid.exceptions import ConfigurationError

from scheduling.web.openapi import json_schemas, problems
from scheduling.web.openapi.calls import Call, calls
from scheduling.web.openapi.examples import NoExample, example
from scheduling.web.openapi.headers import HEADERS
from scheduling.web.openapi.names import operation_ids
from scheduling.web.openapi.operations import BEARER, JSON, operation
from scheduling.web.openapi.tags import tags
from scheduling.web.responses import to_json
from scheduling.web.schemas import Problem
from scheduling.web.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scheduling.web.registry import WebRegistry

_INFO = {
    "summary": "Self-hosted event scheduling behind a REST API.",
    "description": "Bodies are JSON in UTF-8, moments RFC 3339 in UTC with milliseconds. Members of a "
    "request that the API does not know are ignored, and answers may get more members. What goes wrong is "
    "a problem (RFC 9457): `code` is for programs, `error` for people, `errors` for the fields of a form. "
    "Lists are arrays; the header `Link` has the address of the next page.",
    "license": {"name": "ISC", "identifier": "ISC"},
}

_SECURITY_SCHEME = {
    "type": "http",
    "scheme": "bearer",
    "bearerFormat": "JWT",
    "description": "The `token` that `POST /api/v1/auth/register` and `POST /api/v1/auth/login` answer.",
}

# Relative to the document's own address, so that it is right below the prefix of a proxy.
_SERVERS = [{"url": "../..", "description": "The server that this document comes from."}]


def make_document(registry: WebRegistry) -> dict[str, Any]:
    """Return the document, of nothing but dicts, lists, strings, numbers and truth values.

    It depends on nothing but what is registered: paths and components are sorted by name. Raises
    ``ConfigurationError`` for a call whose declaration cannot be described.
    """
    names = json_schemas.SchemaNames()
    plugin = MarshmallowPlugin(schema_name_resolver=names)
    spec = APISpec(
        "Scheduling",
        VERSION,
        "3.1.0",
        plugins=[plugin],
        info=_INFO,
        servers=_SERVERS,
    )
    json_schemas.add_our_fields(plugin)
    spec.components.security_scheme(BEARER, _SECURITY_SCHEME)
    for name, header in HEADERS.items():
        spec.components.header(name, header)
    found = calls(registry)
    _add_problems(spec, found, names)
    _add_schemas(spec, found, names)
    _add_calls(spec, found)
    for one in tags(registry, found):
        spec.tag(one)
    document: dict[str, Any] = orjson.loads(to_json(spec.to_dict()))
    json_schemas.open_answers(document, names)
    json_schemas.describe(document, names)
    _add_examples(document)
    return _in_order(document)


def _add_problems(spec: APISpec, found: list[Call], names: json_schemas.SchemaNames) -> None:
    json_schemas.add(spec, names, Problem)
    for call in found:
        for _, codes in problems.codes_by_status(call):
            name = problems.response_name(codes)
            if name not in spec.components.responses:
                spec.components.response(name, problems.response(codes))


def _add_schemas(spec: APISpec, found: list[Call], names: json_schemas.SchemaNames) -> None:
    """Add what calls take and answer.

    What is added first has its name: our own, so that no plugin of another distribution takes one of these,
    and what is sent, of which answers may have the name with ``Answer`` behind it.
    """
    for is_bundled in (True, False):
        these = [call for call in found if call.is_bundled == is_bundled]
        sent = [(call, call.option("schema")) for call in these]
        for call, schema in sent + [(call, call.declared.response) for call in these]:
            if schema is not None:
                with _naming(call):
                    json_schemas.add(spec, names, schema)


def _add_calls(spec: APISpec, found: list[Call]) -> None:
    with_etag = {call.path for call in found if call.method == "GET" and call.option("etag")}
    for call, operation_id in zip(found, operation_ids(found), strict=True):
        # A PATCH of a thing answers the ETag that a GET of it has then; a POST says so itself.
        has_etag = bool(call.option("etag")) or (call.path in with_etag and call.method == "PATCH")
        with _naming(call):
            told = operation(call, operation_id, has_etag=has_etag)
            spec.path(call.path, operations={call.method.lower(): told})


@contextmanager
def _naming(call: Call) -> Iterator[None]:
    """Have an error name the call: what a plugin declares wrongly, its author has to find."""
    try:
        yield
    except Exception as error:
        raise ConfigurationError(f"{call.method} {call.path} cannot be described: {error}") from error


def _add_examples(document: dict[str, Any]) -> None:
    """Give every body of JSON an example, where there can be one."""
    known = document["components"]["schemas"]
    for path in document["paths"].values():
        for told in path.values():
            bodies = [told.get("requestBody", {}), *told["responses"].values()]
            for body in bodies:
                for media_type, content in body.get("content", {}).items():
                    if media_type == JSON:
                        with suppress(NoExample):
                            content["example"] = example(content["schema"], known)


def _in_order(document: dict[str, Any]) -> dict[str, Any]:
    """Return the document as it is read: what it is, then the calls, then what they refer to, sorted."""
    components = document["components"]
    sections = ("openapi", "info", "servers", "tags", "paths")
    return {
        **{name: document[name] for name in sections},
        "components": {name: dict(sorted(components[name].items())) for name in sorted(components)},
    }
