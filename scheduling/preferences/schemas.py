"""What the calls of preferences read and answer: the members that core and the plugins add."""

from typing import ClassVar

from scheduling.web.schemas import AnswerSchema, PatchSchema, Version

THING = "preferences"
"""The word for preferences in ``config.add_member``."""


class PreferencesPatch(PatchSchema):
    """What changes of somebody's preferences; the rest stays."""

    members_of: ClassVar = THING


class PreferencesAnswer(AnswerSchema):
    """Somebody's preferences, those that they never chose included."""

    members_of: ClassVar = THING

    version = Version()
