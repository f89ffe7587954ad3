"""What scheduling.plugin promises is what there is: directives, the registry, items that end their ACL."""

import inspect
import typing

import pyramid.config
import pytest
from pyramid.authorization import DENY_ALL, Allow, Authenticated
from pyramid.registry import Registry as PyramidRegistry

import scheduling.plugin
from scheduling.app import make_app
from scheduling.plugin import Configurator, Item, Registry, Resource
from scheduling.startup import set_up

PYRAMIDS_OWN = {"include", "scan", "add_subscriber"}
IDS = ("1", "6e1b0b5c-2f5e-4f3c-9c07-0d6b0a3f6a11")


@pytest.fixture
def build_app(tmp_path):
    """A function that builds the application with every plugin of this repository, on an empty SQLite."""

    def build():
        ini = {
            "scheduling.database_url": f"sqlite:///{tmp_path}/test.db",
            "scheduling.jwt_secret": "a secret that only the tests know, of more than 32 bytes",
            "scheduling.bcrypt_cost": "4",
            "scheduling.plugins": "analytics bookings notifications organizations reminders",
        }
        app = make_app(set_up(ini, {}), ini)
        app.registry.engine.dispose()
        return app

    return build


@pytest.fixture
def directives(build_app, monkeypatch):
    """The directives that the application registers, by name."""
    registered = {}
    add_directive = pyramid.config.Configurator.add_directive

    def record(config, name, directive, **options):
        registered[name] = directive
        add_directive(config, name, directive, **options)

    monkeypatch.setattr(pyramid.config.Configurator, "add_directive", record)
    build_app()
    return {name: fn for name, fn in registered.items() if fn.__module__.startswith("scheduling.")}


def test_the_configurator_lists_exactly_the_directives_that_are_registered(directives):
    listed = {name for name, member in vars(Configurator).items() if inspect.isfunction(member)}
    assert {name for name in listed if not name.startswith("_")} == PYRAMIDS_OWN | directives.keys()


def test_the_configurator_has_each_directives_parameters_and_defaults(directives):
    def parameters(function):
        _, *others = inspect.signature(function).parameters.values()
        return [(parameter.name, parameter.kind, parameter.default) for parameter in others]

    for name, directive in directives.items():
        assert parameters(getattr(Configurator, name)) == parameters(directive), name


def test_every_attribute_of_the_registry_is_declared_and_explained(build_app):
    registry = build_app().registry
    bare = PyramidRegistry("bare")
    pyramid.config.Configurator(registry=bare).setup_registry()
    pyramids = vars(bare).keys() | {"has_listeners"}
    declared = {
        name: cls for cls in reversed(Registry.__mro__) for name in vars(cls).get("__annotations__", {})
    }
    ours = {name for name in vars(registry) if not name.startswith("_")} - pyramids
    assert ours == declared.keys()
    for name, cls in declared.items():
        assert f"{name}: " in inspect.getsource(cls)
        explained = inspect.getsource(cls).split(f"    {name}: ")[1].split("\n")[1]
        assert explained.strip().startswith('"""'), name


def test_the_settings_old_name_on_the_registry_still_works(build_app):
    registry = build_app().registry
    assert registry.scheduling is registry.core_settings


def test_everything_that_is_found_by_an_id_is_an_item(build_app):
    registry = build_app().registry
    request = typing.cast("typing.Any", type("Request", (), {"registry": registry}))()
    names = {view["introspectable"]["name"] for view in registry.introspector.get_category("views")}
    file = next(iter(registry.static_files.by_name))
    known = {
        "api",
        "v1",
        "health",
        "static",
        file,
        "me",
        "members",
        "preferences",
        *registry.api_resources,
    } | names
    met, pending = set(), [registry.queryUtility(pyramid.interfaces.IRootFactory)(request)]
    while pending:
        resource = pending.pop()
        met.add(type(resource))
        for name in (*known, *IDS):
            try:
                child = resource[name]
            except KeyError:
                continue
            assert isinstance(child, Item) == (name in IDS), child
            if type(child) not in met:
                pending.append(child)
    contexts = {view["introspectable"]["context"] for view in registry.introspector.get_category("views")}
    resources = {
        context for context in contexts if isinstance(context, type) and issubclass(context, Resource)
    }
    assert resources <= met, "a view's resource was not reached; add the name that leads to it"


class Things(Resource):
    def __acl__(self):
        return [(Allow, Authenticated, "view")]


def test_an_item_that_says_nothing_of_its_acl_inherits_nothing():
    class Thing(Item):
        pass

    thing = Thing(None, 7, Things(None, "things"))
    assert thing.__acl__() == [DENY_ALL]
    assert (thing.id, thing.__name__) == (7, "7")


def test_what_an_item_allows_is_followed_by_the_denial_of_everything_else():
    class Thing(Item):
        def rules(self):
            return [(Allow, "user:1", "edit")]

    assert Thing(None, 7, Things(None)).__acl__() == [(Allow, "user:1", "edit"), DENY_ALL]


def test_an_item_cannot_replace_the_denial():
    with pytest.raises(TypeError, match=r"rules\(\)"):

        class Thing(Item):
            def __acl__(self):
                return []


def test_every_name_of_the_public_face_is_there():
    assert all(hasattr(scheduling.plugin, name) for name in scheduling.plugin.__all__)
