"""The public face: the Configurator that plugins are typed with has the directives that there are."""

import inspect
import re
from importlib import import_module
from pathlib import Path

import pytest
from pyramid.config import Configurator as PyramidConfigurator

from scheduling import plugin

ROOT = Path(__file__).parents[1]
LISTED = {name for name in vars(plugin.Configurator) if not name.startswith("_")}


def registered():
    """Give each directive that core registers, and the function behind it."""
    for path in ROOT.glob("scheduling/**/*.py"):
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for name, function in re.findall(r'\.add_directive\("(\w+)", (\w+)\)', path.read_text()):
            yield name, getattr(import_module(module), function)


DIRECTIVES = dict(registered())


def test_every_directive_of_ours_is_listed_and_whatever_else_is_listed_is_pyramids():
    assert DIRECTIVES.keys() <= LISTED
    assert all(hasattr(PyramidConfigurator, name) for name in LISTED - DIRECTIVES.keys())


@pytest.mark.parametrize("name", DIRECTIVES)
def test_a_directive_is_listed_with_its_parameters(name):
    def parameters(function):
        _, *others = inspect.signature(function).parameters.values()
        return [(item.name, item.kind, item.default) for item in others]

    assert parameters(getattr(plugin.Configurator, name)) == parameters(DIRECTIVES[name])


def test_every_public_name_is_there():
    assert all(hasattr(plugin, name) for name in plugin.__all__)
