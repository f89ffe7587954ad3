"""Serving HTTP: one process under ``pserve``, or several under ``scheduling web``, on waitress or granian."""

from scheduling.server.single import serve

__all__ = ["serve"]
