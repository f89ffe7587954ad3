"""What the import contracts cannot say: imports go in no circle, and the contracts name every module."""

import tomllib
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).parents[1]
CONTRACTS = {
    contract["name"]: contract
    for contract in tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
}
PUBLIC = {"scheduling.plugin", "scheduling.email.http", "scheduling.email.mock"}


@pytest.fixture(scope="module")
def graph():
    # Imports for type checking alone, and those in functions, are counted too.
    return grimp.build_graph("scheduling", exclude_type_checking_imports=False, cache_dir=None)


def circles(imports):
    """Return the groups of modules that import each other, of a dictionary of what each imports."""
    left = {module: set(imported) for module, imported in imports.items()}
    while leaves := {module for module, imported in left.items() if not imported & left.keys()}:
        left = {module: imported for module, imported in left.items() if module not in leaves}
    while roots := left.keys() - set().union(*left.values()):
        left = {module: imported for module, imported in left.items() if module not in roots}
    return sorted(left)


def test_circles_are_found():
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b", "d"}, "d": set()}) == ["b", "c"]


def test_no_module_imports_itself_through_others(graph):
    modules = graph.modules
    imports = {module: graph.find_modules_directly_imported_by(module) & modules for module in modules}
    assert circles(imports) == []


def test_the_layers_are_in_one_contract_without_exceptions():
    layers = [contract for contract in CONTRACTS.values() if contract["type"] == "layers"]
    assert len(layers) == 1
    assert not any("ignore_imports" in contract for contract in CONTRACTS.values())


def test_every_module_that_is_not_public_is_forbidden_to_plugins(graph):
    forbidden = set(CONTRACTS["Plugins know of core only its public face"]["forbidden_modules"])
    assert forbidden <= graph.modules
    for module in graph.find_descendants("scheduling"):
        is_forbidden = any(f"{module}.".startswith(f"{name}.") for name in forbidden)
        is_package_of_public = any(name.startswith(f"{module}.") for name in PUBLIC)
        assert is_forbidden != (module in PUBLIC or is_package_of_public), module
