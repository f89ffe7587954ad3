"""Checks objects against the schemas of Kubernetes, and of the few custom resources that the chart makes."""

import json
import re
from functools import cache
from pathlib import Path

from jsonschema import Draft202012Validator
from kubernetes_validate.utils import all_versions, major_minor, schema_contents
from referencing import Registry, Resource

_CRDS = Path(__file__).parents[1] / "crds"


def mistakes(document, kubernetes):
    """Return what is wrong with an object in a Kubernetes such as ``1.30``, unknown fields included.

    Raises ``FileNotFoundError`` for a kind that nothing here knows.
    """
    return _mistakes(json.dumps(document, sort_keys=True), kubernetes)


@cache
def _mistakes(text, kubernetes):
    """Check an object once, however many value sets make it."""
    document = json.loads(text)
    validator = _validator(document["apiVersion"], document["kind"], kubernetes)
    name = document["metadata"]["name"]
    return [
        f"{document['kind']} {name}: {'.'.join(map(str, error.path))}: {error.message}"
        for error in validator.iter_errors(document)
    ]


@cache
def _validator(api_version, kind, kubernetes):
    custom = _CRDS / f"{kind}.json"
    if custom.exists():
        return Draft202012Validator(json.loads(custom.read_text()))
    folder = f"kubernetes-json-schema/v{kubernetes}.0-local-strict"
    name = re.sub(r"^([^./]*)(?:\.[^/]*)?/", r"\1-", api_version)
    schema = schema_contents(f"{folder}/{kind.lower()}-{name}.json", kubernetes)
    return Draft202012Validator(schema, registry=_registry(folder, kubernetes))


@cache
def _registry(folder, kubernetes):
    """Return the definitions that all kinds share; reading them costs more than checking with them."""
    return Resource.from_contents(schema_contents(f"{folder}/_definitions.json", kubernetes)) @ Registry()


def shipped():
    """Return the versions of Kubernetes whose schemas are here, such as ``1.30``."""
    return {major_minor(version) for version in all_versions()}
