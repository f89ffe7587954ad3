"""Serving HTTP with waitress, one process, or granian, several: both as they come, with an orderly end.

It may import everything but ``cli`` and ``testing``.
"""

from scheduling.server.waitress import run as serve

__all__ = ["serve"]
