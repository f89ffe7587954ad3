"""The ``scheduling`` command: one module a subcommand, and what they share in :mod:`scheduling.cli.program`.

It may import everything else in ``scheduling`` but the test kit; nothing imports it.
"""
