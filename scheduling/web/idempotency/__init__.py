"""Idempotency-Key: a call that is sent again is answered with what the first one did, and done once.

The header of draft-ietf-httpapi-idempotency-key-header-07. A record of the answer commits with what the call
did, so that neither exists without the other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyramid.viewderivers import INGRESS

from scheduling.web.idempotency.deriver import idempotency_deriver
from scheduling.web.idempotency.records import PRUNE_SECONDS, prune

if TYPE_CHECKING:
    from pyramid.config import Configurator


def includeme(config: Configurator) -> None:
    """Register the view deriver and the task that deletes old records.

    The deriver is outside of the permission check: who deleted an organization, or left it, has no right to
    it any more, and may still ask again how that ended.
    """
    config.add_view_deriver(idempotency_deriver, under=INGRESS, over="secured_view")
    config.add_housekeeping("idempotency keys", prune, PRUNE_SECONDS)
