"""The problems of the document: one response for each set of codes that a call can answer."""

from __future__ import annotations

from http import HTTPStatus
from itertools import groupby
from typing import TYPE_CHECKING, Any

import orjson

from scheduling.web.codes import INVALID
from scheduling.web.openapi import headers
from scheduling.web.problems import PROBLEM, problem_document
from scheduling.web.schemas import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scheduling.web.codes import Code
    from scheduling.web.openapi.calls import Call


def codes_by_status(call: Call) -> Iterator[tuple[int, list[Code]]]:
    """Yield the codes with which a call can fail, for each status."""
    for status, codes in groupby(call.declared.codes, key=lambda code: code.status):
        yield status, list(codes)


def response_name(codes: list[Code]) -> str:
    """Return the name of the response of these codes, which have one status, among the components."""
    return ".".join(code.word for code in codes)


def response(codes: list[Code]) -> dict[str, Any]:
    """Return the response of these codes, which have one status."""
    schema: dict[str, Any] = {
        "$ref": f"#/components/schemas/{Problem.__name__}",
        # No enum, of which generated clients make a closed type: a later release may add codes.
        "properties": {"code": {"x-extensible-enum": [code.word for code in codes]}},
    }
    # What some of the codes have in addition; a part of a schema, so that none of it is required.
    if further := [code.members(partial=True) for code in codes if code.members is not None]:
        schema["allOf"] = further
    if codes[0].status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        schema["required"] = ["request_id"]
    return {
        "description": "\n\n".join(f"`{code.word}`: {code.meaning}" for code in codes),
        "headers": headers.of_problem(codes[0].status, codes),
        "content": {PROBLEM: {"schema": schema, "examples": {code.word: _example(code) for code in codes}}},
    }


def _example(code: Code) -> dict[str, Any]:
    members: dict[str, Any] = {}
    if code == INVALID:
        members["errors"] = {"name": ["is required"]}
    if code.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        members["request_id"] = "0af7651916cd43dd8448eb211c80319c"
    return {"value": orjson.loads(problem_document(code.status, code.meaning, code, **members))}
