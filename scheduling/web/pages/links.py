"""Where the API and its description are: what ``/`` and the API catalog link to."""

from __future__ import annotations

API = "/api/v1"
OPENAPI = "/api/v1/openapi.json"
DOCS = "/docs"
HEALTH = "/health"
CATALOG = "/.well-known/api-catalog"
