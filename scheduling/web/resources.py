"""The traversal tree: ``/`` → ``api`` → ``v1`` → one container for each API resource; health and files."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from operator import setitem
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, final

from pyramid.authorization import DENY_ALL
from pyramid.interfaces import PHASE3_CONFIG
from pyramid.traversal import ResourceTreeTraverser

from scheduling.config.directives import register
from scheduling.exceptions import StartupError
from scheduling.web.paths import has_one_spelling
from scheduling.web.schemas import parse_id

if TYPE_CHECKING:
    from pyramid.config import Configurator

    from scheduling.web.pages.files import File
    from scheduling.web.registry import WebRegistry
    from scheduling.web.request import Request


Acl = list[tuple[Any, ...]]
"""Pyramid's access control list: (Allow or Deny, principal, permission or permissions)."""


class Resource:
    """A node of the tree. It makes no query until something asks for what it stands for.

    What is below it is declared, so that the tree can be read without a request: ``children`` by their names,
    to which plugins add with ``config.add_child``, and as ``item`` what is found by an id, which
    ``parse_item_id`` reads (None for what cannot be one). A resource that finds what is below it in another
    way has a ``__getitem__`` of its own, and is described without that.

    ``__acl__`` is a method, since Pyramid would take an AttributeError inside a property for a node
    without an ACL. Rules are inherited along ``__parent__``.
    """

    children: ClassVar[Mapping[str, ResourceFactory]] = {}
    item: ClassVar[type[Item] | None] = None
    parse_item_id: ClassVar[Callable[[str], Any]] = parse_id

    def __init__(self, request: Request, name: str = "", parent: Resource | None = None) -> None:
        self.request = request
        self.__name__ = name
        self.__parent__ = parent

    def __getitem__(self, name: str) -> Resource:
        child = children_of(self.request.registry, type(self)).get(name)
        item = item_of(type(self))
        if child is not None:
            return child(self.request, name, self)
        # Read from the class, where it is a function and no method.
        item_id = type(self).parse_item_id(name) if item is not None else None
        if item is None or item_id is None:
            raise KeyError(name)
        return item(self.request, item_id, self)


def children_of(registry: WebRegistry, resource: type[Resource]) -> Mapping[str, ResourceFactory]:
    """Return the children that a class declares, and those that were added below it."""
    known = registry.children.get(resource)
    if known is None:
        added = {
            each.name: each.factory for each in registry.added_children if issubclass(resource, each.parent)
        }
        known = registry.children[resource] = {**_own_children(resource), **added}
    return known


def _own_children(resource: type[Resource]) -> Mapping[str, ResourceFactory]:
    """Return the children that a class declares itself.

    In a plugin that was written before there was this declaration the word may mean something else, such as
    a property; that declares none.
    """
    return resource.children if isinstance(resource.children, Mapping) else {}


def item_of(resource: type[Resource]) -> type[Item] | None:
    """Return the class that a class declares for what is found below it by an id, or None."""
    item = resource.item
    return item if isinstance(item, type) and issubclass(item, Item) else None


ResourceFactory = Callable[["Request", str, Resource], Resource]
"""Makes a resource of a request, its name and its parent, as a class derived from :class:`Resource` does."""


class Item(Resource):
    """One thing that its container finds by an id. What nobody is allowed to do with it here is denied.

    The container's rules do not reach it: everybody may list and make bookings in ``/bookings``, and nobody
    may do anything with ``/bookings/7`` for that. What hangs below an item, such as an organization's
    ``/members``, inherits from the item.
    """

    id_name: ClassVar[str] = ""
    """What the id is called where paths are described, by default as in ``booking_id`` for ``Booking``."""

    def __init__(self, request: Request, item_id: Any, parent: Resource) -> None:
        super().__init__(request, str(item_id), parent)
        self.id = item_id

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "__acl__" in cls.__dict__:
            raise TypeError(f"{cls.__name__} is an Item: its rules are what rules() returns, not __acl__()")

    def rules(self) -> Acl:
        """Return who may do what with this item; nobody anything, unless a subclass says otherwise."""
        return []

    @final
    def __acl__(self) -> Acl:
        return [*self.rules(), DENY_ALL]


class Health(Resource):
    """Whether a process answers, and whether requests should come to it."""


class StaticFile(Resource):
    """One of the files that pages load. In metrics they are one route, whatever their names."""

    def __init__(self, request: Request, file: File, parent: Resource) -> None:
        super().__init__(request, "{file}", parent)
        self.file = file


class StaticFiles(Resource):
    """``/static``: the files of :mod:`scheduling.web.pages.static`, by the names that have their hashes."""

    def __getitem__(self, name: str) -> Resource:
        return StaticFile(self.request, self.request.registry.static_files.by_name[name], self)


class Version1(Resource):
    """``/api/v1``: its children are what core and the plugins added with ``add_api_resource``."""

    def __getitem__(self, name: str) -> Resource:
        factory: ResourceFactory = self.request.registry.api_resources[name]
        return factory(self.request, name, self)


class Api(Resource):
    """``/api``."""

    children: ClassVar = {"v1": Version1}


class Root(Resource):
    """``/``: its children, and as its views the pages of :mod:`scheduling.web.pages`."""

    children: ClassVar = {"api": Api, "health": Health, "static": StaticFiles}


class WholePathTraverser(ResourceTreeTraverser):
    """Traversal for which another spelling of a path, and one that goes on behind a view's name, is unknown.

    Pyramid calls the view ``login`` for ``/auth//login``, ``/auth/@@login`` and ``/x/../auth/login`` too: a
    proxy's rule for ``/auth/login`` would be walked around. It also calls it for ``/auth/login/and/more``,
    and gives it the rest as a subpath. Here the name of the view is then one that no view has, so that the
    answer is 404.
    """

    def __call__(self, request: Request) -> dict[str, Any]:
        """Return the context, the view's name and what else Pyramid wants to know of a request's path."""
        # Pyramid would take the header, which any client can send, for the root of the path.
        request.environ.pop("HTTP_X_VHM_ROOT", None)
        if not has_one_spelling(request.environ):
            return _nowhere(self.root)
        found: dict[str, Any] = super().__call__(request)
        if found["subpath"]:
            found["view_name"] = "/".join((found["view_name"], *found["subpath"]))
            found["subpath"] = ()
        return found


def _nowhere(root: Resource) -> dict[str, Any]:
    """Return what traversal finds for a path of which it looks at nothing."""
    return {
        "context": root,
        "view_name": "//",
        "subpath": (),
        "traversed": (),
        "virtual_root": root,
        "virtual_root_path": (),
        "root": root,
    }


def add_api_resource(config: Configurator, name: str, factory: ResourceFactory) -> None:
    """Directive: make ``factory(request, name, parent)`` the child ``name`` of ``/api/v1``.

    Raises ``StartupError`` when another plugin, or core, has claimed the name.
    """
    claims: dict[str, str] = config.registry.api_resource_claims
    claimant = claimant_of(config)
    if claims.setdefault(name, claimant) != claimant:
        raise StartupError(
            f"{claims[name]} and {claimant} both claim the API resource {name!r}; "
            "take one of the plugins out of scheduling.plugins (SCHEDULING_PLUGINS)."
        )
    add = partial(setitem, config.registry.api_resources, name, factory)
    register(config, "api resource", name, add, factory=factory)


# Not a number, which would hide the thing that has this id.
_CHILD_NAME = re.compile("[A-Za-z][A-Za-z0-9_-]*")


class AddedChild(NamedTuple):
    """What a plugin added below the resources of a class."""

    parent: type[Resource]
    name: str
    factory: ResourceFactory
    claimant: str
    """Who added it, as an operator knows it."""


def add_child(config: Configurator, parent: type[Resource], name: str, factory: ResourceFactory) -> None:
    """Directive: make ``factory(request, name, parent)`` the child ``name`` of every resource of a class.

    It is asked for before ids. Raises ``StartupError`` when another plugin has claimed the name, when the
    class itself has it, as a child or as the name of a view, when the class has a ``__getitem__`` of its
    own, which would not ask for it, and for a name that is no part of a path or might be an id.
    """
    claimant, path = claimant_of(config), f"{parent.__name__}/{name}"
    added: list[AddedChild] = config.registry.added_children
    if not _CHILD_NAME.fullmatch(name):
        raise StartupError(
            f"{claimant} claims {path}, but a name is letters, digits, - and _, after a letter."
        )
    if parent.__getitem__ is not Resource.__getitem__:
        raise StartupError(f"{claimant} claims {path}, but {parent.__name__} looks up by itself what it has.")
    if name in _own_children(parent):
        raise StartupError(f"{claimant} claims {path}, which {parent.__name__} has itself.")
    for other in added:
        if other.name == name and _are_related(parent, other.parent):
            raise StartupError(
                f"{other.claimant} and {claimant} both claim {path}; "
                "take one of the plugins out of scheduling.plugins (SCHEDULING_PLUGINS)."
            )
    added.append(AddedChild(parent, name, factory, claimant))

    def require_no_view() -> None:
        for entry in config.registry.introspector.get_category("views", ()):
            view = entry["introspectable"]
            context = view["context"]
            if view["name"] == name and isinstance(context, type) and _are_related(parent, context):
                raise StartupError(f"{claimant} claims {path}, which is the name of a view there.")

    # When all views are registered, whichever plugin comes first.
    config.action(("child", parent, name), require_no_view, order=PHASE3_CONFIG + 1)


def _are_related(one: type, other: type) -> bool:
    """Tell whether a resource may be of both classes, since one is derived from the other."""
    return issubclass(one, other) or issubclass(other, one)


def claimant_of(config: Configurator) -> str:
    """Say whose package is being included, as an operator knows it."""
    package = config.package.__name__
    for plugin in config.registry.plugins:
        if f"{package}.".startswith(f"{plugin.package}."):
            return f"{plugin.name!r} of {plugin.distribution}"
    return "Scheduling itself"


def includeme(config: Configurator) -> None:
    """Set the root and the traverser, and register the directives."""
    config.registry.api_resources = {}
    config.registry.api_resource_claims = {}
    config.registry.added_children = []
    config.registry.children = {}
    config.set_root_factory(Root)
    config.add_traverser(WholePathTraverser)
    config.add_directive("add_api_resource", add_api_resource)
    config.add_directive("add_child", add_child)
