"""A Pyramid add-on that shows what a server made of a request; only the tests' installations have it."""

import os
import signal
from pathlib import Path

from pyramid.response import Response
from pyramid.security import NO_PERMISSION_REQUIRED
from pyramid.tweens import EXCVIEW

from scheduling.testing.processes import wait_for
from scheduling.web.resources import Root

TRANSACTION = "scheduling.web.transaction.transaction_tween_factory"
LARGE = 16 * 1024 * 1024


def seen(context, request):
    texts = {name: value for name, value in request.environ.items() if isinstance(value, str)}
    return Response(json_body={"pid": os.getpid(), "environ": texts})


def large(context, request):
    return Response(b"x" * LARGE)


def blocked(context, request):
    """Keep its thread until the test makes a file."""
    wait_for(Path(os.environ["LAB_RELEASED"]).exists)
    return Response(b"released")


def killed_tween_factory(handler, registry):
    """Kill the process between the commit and the answer of a request that asks for it."""

    def killed_tween(request):
        response = handler(request)
        if request.headers.get("X-Kill") == "after the commit":
            os.kill(os.getpid(), signal.SIGKILL)
        return response

    return killed_tween


def includeme(config):
    config.add_tween("environ_addon.killed_tween_factory", under=EXCVIEW, over=TRANSACTION)
    for view in (seen, large, blocked):
        config.add_view(view, context=Root, name=view.__name__, permission=NO_PERMISSION_REQUIRED)
