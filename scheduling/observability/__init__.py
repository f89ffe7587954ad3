"""What an operator sees of a running installation: metrics, traces by OpenTelemetry, and the probes' port.

It may import ``email`` and what lies below that.
"""
