"""The version of this release, as its distribution says it."""

from importlib.metadata import version

# scheduling.__version__ is the same; importing it from here would be a circle of imports.
VERSION = version("scheduling")
