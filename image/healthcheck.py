"""Tells a container's runtime whether the container is alive: exit status 0 or 1. Run by HEALTHCHECK.

It imports nothing of Scheduling, since it starts every half minute.
"""  # noqa: INP001 - a program, no package

import os
import sys
from urllib.request import ProxyHandler, build_opener

# By name, since SCHEDULING_HOST may be an address of IPv6.
port = os.environ.get("SCHEDULING_METRICS_PORT") or "9100"
try:
    build_opener(ProxyHandler({})).open(f"http://localhost:{port}/health/live", timeout=4).close()
except OSError as error:
    sys.exit(f"/health/live on port {port}: {error}")
