"""The OpenAPI document: valid, complete, in a stable order, and the one that is committed."""

import json
import keyword
import re
from itertools import chain
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from scheduling.testing import Site
from scheduling.web.declarations import declarations
from scheduling.web.openapi.calls import calls
from scheduling.web.openapi.document import make_document

COMMITTED = Path(__file__).parents[3] / "docs/openapi.json"
SUFFIX = "#/components/schemas/"


def operations(document):
    """Yield (path, method, operation)."""
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield path, method, operation


def named(document, path, method):
    return document["paths"][path][method]


def response(document, path, method, status):
    """Return a response, whether it is told in place or referred to."""
    told = named(document, path, method)["responses"][str(status)]
    return document["components"]["responses"][told["$ref"].rpartition("/")[2]] if "$ref" in told else told


def validator(document, schema):
    """Return what validates a value with a schema of the document, formats included."""
    resource = Resource(contents=document, specification=DRAFT202012)
    # References are relative to the document, in which the schema lies.
    whole = {"$id": "urn:document", **json.loads(json.dumps(schema).replace('"#/', '"urn:whole#/'))}
    registry = Registry().with_resource("urn:whole", resource)
    return Draft202012Validator(whole, registry=registry, format_checker=Draft202012Validator.FORMAT_CHECKER)


def bodies(document):
    """Yield (where, schema, examples) of every body, those of problems included."""
    of_calls = (
        (f"{method} {path}", body)
        for path, method, operation in operations(document)
        for body in (operation.get("requestBody", {}), *operation["responses"].values())
    )
    for where, body in chain(of_calls, document["components"]["responses"].items()):
        for content in body.get("content", {}).values():
            several = [example["value"] for example in content.get("examples", {}).values()]
            yield where, content["schema"], several or [content["example"]]


def schemas(node):
    """Yield every JSON Schema in a part of the document."""
    if isinstance(node, dict):
        if isinstance(node.get("schema"), dict):
            yield node["schema"]
        for inner in node.values():
            yield from schemas(inner)
    elif isinstance(node, list):
        for inner in node:
            yield from schemas(inner)


def test_a_validator_of_openapi_3_1_finds_nothing(document):
    assert document["openapi"] == "3.1.0"
    assert list(OpenAPIV31SpecValidator(document).iter_errors()) == []


def test_a_validator_of_json_schema_2020_12_finds_nothing(document):
    found = [*document["components"]["schemas"].values(), *schemas(document)]
    assert len(found) > 50
    for schema in found:
        Draft202012Validator.check_schema(schema)


def test_every_example_is_one(document):
    found = list(bodies(document))
    assert len(found) > 50
    for where, schema, examples in found:
        for example in examples:
            errors = [error.message for error in validator(document, schema).iter_errors(example)]
            assert errors == [], (where, example)


def test_every_example_of_a_body_is_understood(own_site, document):
    read = 0
    for call in calls(own_site.registry):
        if schema := call.option("schema"):
            body = named(document, call.path, call.method.lower())["requestBody"]["content"][
                "application/json"
            ]
            assert schema().load(body["example"]), call.path
            read += 1
    assert read == sum("requestBody" in operation for _, _, operation in operations(document)) > 10


def test_every_view_is_there(own_site, document):
    found = {(path, method.upper()) for path, method, _ in operations(document)}
    declared = [one for one in declarations(own_site.registry) if one.is_declared]
    assert len(found) == len(declared) > 30


def test_operation_ids_make_good_and_different_names(document):
    ids = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(ids) == len(set(ids))
    assert [
        name for name in ids if not re.fullmatch(r"[a-z]+(_[a-z]+)*", name) or keyword.iskeyword(name)
    ] == []
    assert {"list_bookings", "create_booking", "get_booking", "update_booking", "cancel_booking"} <= set(ids)


def test_every_call_has_a_summary_and_answers_that_say_what_they_are(document):
    for path, method, operation in operations(document):
        assert operation["summary"], path
        for status in operation["responses"]:
            assert response(document, path, method, status)["description"], (path, status)


def test_every_tag_schema_and_parameter_of_a_query_is_described(document):
    assert [one["name"] for one in document["tags"]] == [
        "analytics",
        "auth",
        "bookings",
        "discovery",
        "health",
        "notifications",
        "organizations",
        "outbox",
        "users",
    ]
    parameters = [
        parameter
        for _, _, operation in operations(document)
        for parameter in operation.get("parameters", [])
        if parameter["in"] == "query"
    ]
    schemas, security = document["components"]["schemas"], document["components"]["securitySchemes"]
    told = [*document["tags"], *schemas.values(), *security.values(), *parameters]
    assert len(parameters) > 20
    assert [one for one in told if not one.get("description")] == []


def test_what_the_root_answers_to_programs_is_told(document):
    root = named(document, "/", "get")
    assert (root["operationId"], root["tags"], root["security"]) == ("get_installation", ["discovery"], [])
    assert set(document["components"]["schemas"]["Installation"]["required"]) == {
        "name",
        "summary",
        "version",
        "ready",
        "reason",
        "plugins",
        "links",
    }


def test_summaries_are_plain_text(document):
    assert [one["summary"] for _, _, one in operations(document) if "`" in one["summary"]] == []


def test_a_good_answer_is_described_by_its_schema(document):
    assert response(document, "/api/v1/bookings/{booking_id}", "get", 200)["description"] == "A booking"
    listed = response(document, "/api/v1/bookings", "get", 200)["description"]
    assert listed == "A list. Each element: A booking"


def test_a_token_is_wanted_where_the_view_wants_one(document):
    assert named(document, "/api/v1/bookings", "get")["security"] == [{"bearer": []}]
    assert named(document, "/api/v1/auth/login", "post")["security"] == []
    assert named(document, "/api/v1/analytics/event", "post")["security"] == [{}, {"bearer": []}]
    assert document["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"


def test_parameters_are_those_of_the_path_the_query_and_the_pages(document):
    def parameters(path, method):
        return {p["name"]: p for p in named(document, path, method).get("parameters", [])}

    assert set(parameters("/api/v1/bookings", "get")) >= {"limit", "cursor", "status", "from", "to"}
    assert parameters("/api/v1/bookings", "get")["limit"]["schema"] | {"type": "integer"} == {
        "type": "integer",
        "format": "int64",
        "minimum": 1,
        "maximum": 200,
    }
    one = parameters("/api/v1/bookings/{booking_id}", "get")
    assert one["booking_id"]["schema"]["maximum"] == 2**63 - 1
    assert "If-None-Match" in one
    assert parameters("/api/v1/outbox/{outbox_message_id}", "get")["outbox_message_id"]["schema"] == {
        "type": "string",
        "format": "uuid",
    }
    assert set(parameters("/api/v1/organizations/{organization_id}/members/{user_id}", "delete")) == {
        "organization_id",
        "user_id",
        "Idempotency-Key",
        "If-Match",
    }


def test_a_key_is_taken_where_a_call_changes_something_and_its_answer_holds_no_secret(document):
    found = {
        operation["operationId"]
        for _, _, operation in operations(document)
        if "Idempotency-Key" in {p["name"] for p in operation.get("parameters", [])}
    }
    writing = {
        operation["operationId"]
        for _, method, operation in operations(document)
        if method in ("post", "patch", "delete")
    }
    assert writing - found == {"register", "log_in", "change_password"}
    assert found - writing == set()


def test_if_match_is_told_of_what_has_a_version(document):
    told = {
        (path, method)
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if any(parameter["name"] == "If-Match" for parameter in operation.get("parameters", []))
    }
    booking, organization = "/api/v1/bookings/{booking_id}", "/api/v1/organizations/{organization_id}"
    changed = {(path, method) for path in (booking, organization) for method in ("patch", "delete")}
    assert told == changed | {
        ("/api/v1/users/me", "patch"),
        ("/api/v1/users/me/preferences", "patch"),
        ("/api/v1/organizations/{organization_id}/members/{user_id}", "delete"),
    }
    for path, method in told:
        for status in (400, 412, 428):
            assert "content" in response(document, path, method, status)


@pytest.mark.parametrize(
    ("path", "method", "status", "header"),
    [
        ("/api/v1/bookings", "get", 200, "Link"),
        ("/api/v1/bookings", "post", 201, "Location"),
        ("/api/v1/bookings", "post", 201, "ETag"),
        ("/api/v1/bookings/{booking_id}", "get", 200, "ETag"),
        ("/api/v1/bookings/{booking_id}", "get", 304, "ETag"),
        ("/api/v1/bookings/{booking_id}", "patch", 200, "ETag"),
        ("/api/v1/bookings", "post", 201, "Idempotent-Replayed"),
        ("/api/v1/bookings", "post", 409, "Retry-After"),
        ("/api/v1/bookings", "get", 503, "Retry-After"),
        ("/api/v1/bookings", "get", 401, "WWW-Authenticate"),
        ("/health", "get", 200, "X-Request-ID"),
    ],
)
def test_headers_are_told(document, path, method, status, header):
    assert header in response(document, path, method, status)["headers"]


def test_whole_numbers_have_64_bits_in_paths_and_in_bodies(document):
    schemas = document["components"]["schemas"]
    [booking_id, *_] = named(document, "/api/v1/bookings/{booking_id}", "delete")["parameters"]
    assert booking_id["schema"]["format"] == "int64"
    found = [
        (name, member)
        for name, schema in schemas.items()
        for member, told in schema.get("properties", {}).items()
        if "integer" in told.get("type", "") and told.get("format") != "int64"
    ]
    assert found == []


def test_addresses_may_have_letters_beyond_ascii(document):
    address = document["components"]["schemas"]["Registration"]["properties"]["email"]
    assert (address["format"], address["maxLength"]) == ("idn-email", 254)


def test_every_answer_has_the_id_of_its_request(document):
    for path, method, operation in operations(document):
        for status in operation["responses"]:
            assert "X-Request-ID" in response(document, path, method, status)["headers"], (path, status)


def test_problems_name_their_codes(document):
    problem = response(document, "/api/v1/bookings", "get", 401)["content"]["application/problem+json"]
    assert "unauthenticated" in problem["schema"]["properties"]["code"]["x-extensible-enum"]
    assert problem["examples"]["unauthenticated"]["value"]["status"] == 401


@pytest.mark.parametrize(("status", "code"), [(500, "internal"), (503, "unavailable")])
def test_a_fault_of_the_server_names_the_request(document, status, code):
    problem = response(document, "/api/v1/bookings", "get", status)["content"]["application/problem+json"]
    assert problem["schema"]["required"] == ["request_id"]
    assert problem["examples"][code]["value"]["request_id"]


def test_what_was_refused_is_told_by_arrays_of_sentences(document):
    errors = document["components"]["schemas"]["Problem"]["properties"]["errors"]
    assert errors["additionalProperties"] == {"type": "array", "items": {"type": "string"}}
    problem = response(document, "/api/v1/bookings", "post", 400)["content"]["application/problem+json"]
    assert problem["examples"]["invalid"]["value"]["errors"] == {"name": ["is required"]}


def test_every_header_is_one_of_some_answer(document):
    used = {
        name
        for path, method, operation in operations(document)
        for status in operation["responses"]
        for name in response(document, path, method, status)["headers"]
    }
    assert used == set(document["components"]["headers"])


def test_the_servers_address_is_right_below_a_prefix(document):
    # As RFC 3986 resolves it against /prefix/api/v1/openapi.json.
    from urllib.parse import urljoin

    [server] = document["servers"]
    assert (
        urljoin("https://example.com/prefix/api/v1/openapi.json", server["url"])
        == "https://example.com/prefix/"
    )
    assert urljoin("https://example.com/api/v1/openapi.json", server["url"]) == "https://example.com/"


def test_the_order_does_not_depend_on_that_of_the_plugins(document, enabled_plugins, tmp_path):
    site = Site(f"sqlite:///{tmp_path}/test.db", enabled_plugins[::-1])
    assert json.dumps(make_document(site.registry)) == json.dumps(document)
    site.close()


def test_without_a_plugin_its_calls_are_not_there(tmp_path):
    site = Site(f"sqlite:///{tmp_path}/test.db", ["bookings"])
    assert {
        path.split("/")[3] for path in make_document(site.registry)["paths"] if path.startswith("/api")
    } == {
        "auth",
        "bookings",
        "openapi.json",
        "outbox",
        "users",
    }
    site.close()


def test_the_committed_document_is_the_one_of_this_code(document):
    assert json.loads(COMMITTED.read_text()) == document, (
        "The API has changed. Look at the difference, which is what clients will read of the release, after\n"
        "    .venv/bin/scheduling -c development.ini openapi > docs/openapi.json"
    )


def test_the_examples_make_an_account_and_a_booking(own_site, document):
    def example(path):
        return named(document, path, "post")["requestBody"]["content"]["application/json"]["example"]

    own_site.clear()
    account = own_site.anonymous.post("/auth/register", example("/api/v1/auth/register"), status=201).json
    log_in = example("/api/v1/auth/login")
    assert (
        own_site.anonymous.post("/auth/login", log_in, status=200).json["user"]["id"] == account["user"]["id"]
    )
    bearer = {"Authorization": f"Bearer {account['token']}"}
    own_site.anonymous.post("/bookings", example("/api/v1/bookings"), headers=bearer, status=201)
