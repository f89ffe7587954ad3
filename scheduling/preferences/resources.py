"""``/users/me/preferences``."""

from scheduling.web.resources import Resource


class Preferences(Resource):
    """What somebody has chosen; who may see and change it is as for the account above it."""
