"""What is known before the application is built: settings, plugins' manifests, and the ini file.

It may import ``exceptions``, ``times``, ``tracing`` and ``logs``.
"""
