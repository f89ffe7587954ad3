"""E-mail: templates, sending with a rate limit, the interface of a provider, and the provider ``mock``.

It may import ``accounts``, ``messaging`` and what lies below. :mod:`scheduling.email.http` needs httpx2,
which the extra of each provider with an API installs.
"""
