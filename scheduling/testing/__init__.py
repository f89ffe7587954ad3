"""The test kit, for this project and for authors of plugins.

``pytest_plugins = ["scheduling.testing.fixtures"]`` in a conftest gives the fixtures; the classes are here.
It needs the extra ``scheduling[testing]``.
"""

from scheduling.testing.servers import PostgresServer, RedisServer, postgres_server, redis_server
from scheduling.testing.site import Client, RecordingProvider, Site

__all__ = [
    "Client",
    "PostgresServer",
    "RecordingProvider",
    "RedisServer",
    "Site",
    "postgres_server",
    "redis_server",
]
