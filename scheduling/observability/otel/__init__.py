"""Sets up OpenTelemetry (https://opentelemetry.io/docs/specs/otel/), if it is installed and configured.

Without it nothing of it is imported, and :mod:`scheduling.tracing` continues traces all the same.
"""

from __future__ import annotations

import logging
import os
from importlib.util import find_spec
from typing import TYPE_CHECKING

from scheduling.tracing import Tracer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyramid.config import Configurator

logger = logging.getLogger(__name__)

NOT_INSTALLED = "OTEL_… is set and OpenTelemetry is not installed: pip install 'scheduling[otel]'"

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


def is_configured(environ: Mapping[str, str]) -> bool:
    """Tell whether the environment says where traces are to be sent.

    https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
    """
    if environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return False
    exporter = environ.get("OTEL_TRACES_EXPORTER")
    return exporter != "none" if exporter else any(environ.get(name) for name in _ENDPOINTS)


def is_installed() -> bool:
    """Tell whether the extra ``otel`` is installed."""
    return find_spec("opentelemetry") is not None and find_spec("opentelemetry.sdk") is not None


def includeme(config: Configurator) -> None:
    """Put the application's one tracer on the registry, and record requests in the outermost tween."""
    config.registry.tracer = Tracer()
    if not is_configured(os.environ):
        return
    if not is_installed():
        logger.warning(NOT_INSTALLED)
        return
    from scheduling.observability.otel.tracer import OtelTracer  # noqa: PLC0415 - an extra

    config.registry.tracer = OtelTracer(config.registry.engine)
    config.add_tween(
        "scheduling.observability.otel.tracer.tween_factory",
        over="scheduling.observability.metrics.http.tween_factory",
    )
