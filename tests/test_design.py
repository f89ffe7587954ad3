"""docs/design.md: every file that its tree names exists, and every module of scheduling is named there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/design.md").read_text()
TREE = re.search(r"^```\n(scheduling/\n.*?)^```", PAGE, re.DOTALL | re.MULTILINE)[1]


def named(tree):
    """Yield the paths in a tree: the names that begin each line, below the folders above them."""
    folders = {}
    for line in tree.splitlines():
        indent = len(line) - len(line.lstrip())
        names = re.split(r" {2,}", line.strip())[0].split(" ")
        above = "".join(folders[depth] for depth in sorted(folders) if depth < indent)
        folders = {depth: folder for depth, folder in folders.items() if depth < indent}
        if names[0].endswith("/"):
            folders[indent] = names[0]
        yield from (above + name for name in names)


NAMED = list(named(TREE))


def test_a_name_is_below_what_it_is_indented_by():
    tree = "a/    one\n  b.py c.py   two\n  d/e/\n    f.py    three\ng.py"
    assert list(named(tree)) == ["a/", "a/b.py", "a/c.py", "a/d/e/", "a/d/e/f.py", "g.py"]


@pytest.mark.parametrize("path", NAMED)
def test_every_named_file_exists(path):
    # <plugin> stands for any plugin that has the file.
    found = list(ROOT.glob(path.replace("<plugin>", "*")))
    assert any(entry.is_dir() == path.endswith("/") for entry in found)


def test_every_module_is_named():
    modules = {str(path.relative_to(ROOT)) for path in ROOT.glob("scheduling/**/*.py")}
    # What a package is, its folder's line says.
    packages = {f"{Path(name)}/__init__.py" for name in NAMED if name.endswith("/")}
    assert sorted(modules - set(NAMED) - packages) == []


def test_every_file_that_the_text_names_is_in_the_tree():
    files = re.findall(r"`([a-z_]+/[a-z_/]+\.py)`", PAGE.replace(TREE, ""))
    known = {name.removeprefix("scheduling/") for name in NAMED}
    assert files
    assert [file for file in files if file not in known and not (ROOT / file).is_file()] == []
