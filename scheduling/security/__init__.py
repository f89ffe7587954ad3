"""Who somebody is and what may be allowed: identity, permissions, roles, access tokens, password hashes.

The policy that applies them to a request is in ``web``. It may import ``db`` and what lies below that.
"""
