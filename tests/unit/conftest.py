"""Settings of the property tests of this folder."""

from hypothesis import HealthCheck, settings

# How fast a machine is says nothing about the code.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")
