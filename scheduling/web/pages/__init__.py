"""The pages for people, and the files that they load: ``/``, ``/docs``, ``/static``; and the API catalog.

Each page is a view that calls :func:`~scheduling.web.pages.layout.page` with a template and a policy of its
own. Nothing is built: what is in ``static`` is served as it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from scheduling.web.pages.files import FOLDER, StaticFiles

if TYPE_CHECKING:
    from pyramid.config import Configurator


def includeme(config: Configurator) -> None:
    """Read the files, and register the views."""
    config.registry.static_files = StaticFiles(FOLDER)
    config.scan("scheduling.web.pages")
