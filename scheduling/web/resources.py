"""The traversal tree: ``/`` → ``api`` → ``v1`` → one container for each API resource."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyramid.authorization import DENY_ALL
from pyramid.traversal import ResourceTreeTraverser

from scheduling.exceptions import StartupError

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyramid.config import Configurator

    from scheduling.web.request import Request


Acl = list[tuple[Any, ...]]
"""Pyramid's access control list: (Allow or Deny, principal, permission or permissions)."""


class Resource:
    """A node of the tree. It makes no query until something asks for what it stands for.

    ``__acl__`` is a method, since Pyramid would take an AttributeError inside a property for a node
    without an ACL. Rules are inherited along ``__parent__``.
    """

    def __init__(self, request: Request, name: str = "", parent: Resource | None = None) -> None:
        self.request = request
        self.__name__ = name
        self.__parent__ = parent

    def __getitem__(self, name: str) -> Resource:
        raise KeyError(name)


class Item(Resource):
    """One thing in a container, such as a booking. What the container allows does not hold for it.

    A subclass says in :meth:`rules` who may do what; everything else is denied here, where a resource that
    forgot ``DENY_ALL`` would inherit what everybody may do with the container.
    """

    def rules(self) -> Acl:
        """Return the rules that allow something."""
        raise NotImplementedError

    def __acl__(self) -> Acl:
        return [*self.rules(), DENY_ALL]


class Root(Resource):
    """``/``."""

    def __getitem__(self, name: str) -> Resource:
        if name == "api":
            return Api(self.request, name, self)
        if name == "health":
            return Health(self.request, name, self)
        raise KeyError(name)


class Health(Resource):
    """``/health``, whose views are public."""


class Api(Resource):
    """``/api``."""

    def __getitem__(self, name: str) -> Resource:
        if name == "v1":
            return Version1(self.request, name, self)
        raise KeyError(name)


class Version1(Resource):
    """``/api/v1``: its children are what core and the plugins added with ``add_api_resource``."""

    def __getitem__(self, name: str) -> Resource:
        factory = self.request.registry.api_resources[name]
        resource: Resource = factory(self.request, name, self)
        return resource


class WholePathTraverser(ResourceTreeTraverser):
    """Traversal that leaves no rest: what follows a view's name makes it another, unknown name."""

    def __call__(self, request: Request) -> dict[str, Any]:
        """Traverse."""
        # Pyramid would take the header, which any client can send, for the root of the path.
        request.environ.pop("HTTP_X_VHM_ROOT", None)
        found: dict[str, Any] = super().__call__(request)
        if found["subpath"]:
            found["view_name"] = "/".join((found["view_name"], *found["subpath"]))
            found["subpath"] = ()
        return found


def add_api_resource(
    config: Configurator, name: str, factory: Callable[[Request, str, Resource], Resource]
) -> None:
    """Directive: make ``factory(request, name, parent)`` the child ``name`` of ``/api/v1``.

    Raises ``StartupError`` when another plugin, or core, has claimed the name.
    """
    claims: dict[str, str] = config.registry.api_resource_claims
    claimant = _claimant(config)
    if claims.setdefault(name, claimant) != claimant:
        raise StartupError(
            f"{claims[name]} and {claimant} both claim the API resource {name!r}; "
            "take one of the plugins out of scheduling.plugins (SCHEDULING_PLUGINS)."
        )
    introspectable = config.introspectable("api resources", name, f"/api/v1/{name}", "api resource")
    introspectable["factory"] = factory
    config.action(
        ("api resource", name),
        lambda: config.registry.api_resources.__setitem__(name, factory),
        introspectables=(introspectable,),
    )


def _claimant(config: Configurator) -> str:
    """Say whose package is being included, as an operator knows it."""
    package = config.package.__name__
    for plugin in config.registry.plugins:
        if f"{package}.".startswith(f"{plugin.package}."):
            return f"{plugin.name!r} of {plugin.distribution}"
    return "Scheduling itself"


def includeme(config: Configurator) -> None:
    """Set the root and the directive."""
    config.registry.api_resources = {}
    config.registry.api_resource_claims = {}
    config.set_root_factory(Root)
    config.add_traverser(WholePathTraverser)
    config.add_directive("add_api_resource", add_api_resource)
