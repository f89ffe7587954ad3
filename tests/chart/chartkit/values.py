"""Reads what values.yaml says of each value, and writes the table of the chart's README from it.

Run as a program it writes the table anew: ``.venv/bin/python tests/chart/chartkit/values.py``.
"""

import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

_CHART = Path(__file__).parents[3] / "charts" / "scheduling"
README = _CHART / "README.md"
BEGIN, END = "<!-- The table of the values begins. -->\n", "<!-- The table of the values ends. -->\n"

_KEY = re.compile(r"(?P<indent> *)(?P<key>[A-Za-z]\w*):")
_TEXT = re.compile(r" *# -- (?P<text>.+)")


@dataclass(frozen=True)
class Value:
    """A value that values.yaml documents: its path, its default, and the sentence about it."""

    path: tuple[str, ...]
    default: object
    text: str

    @property
    def row(self):
        """The value's row of the table in README.md."""
        default = json.dumps(self.default, ensure_ascii=False)
        return f"| `{'.'.join(self.path)}` | `{default}` | {self.text} |"


@cache
def defaults():
    return yaml.safe_load((_CHART / "values.yaml").read_text())


@cache
def schema():
    return json.loads((_CHART / "values.schema.json").read_text())


@cache
def documented():
    """Return all values that values.yaml documents, in its order."""
    found, path, text = [], [], None
    for line in (_CHART / "values.yaml").read_text().splitlines():
        if comment := _TEXT.fullmatch(line):
            text = comment["text"]
        elif key := _KEY.match(line):
            path = [*path[: len(key["indent"]) // 2], key["key"]]
            if text:
                found.append(Value(tuple(path), _at(defaults(), path), text))
            text = None
    return found


def _at(values, path):
    for key in path:
        values = values[key]
    return values


def table():
    """Return the table of the README."""
    head = "| value | default | what it is |\n|---|---|---|\n"
    return head + "".join(f"{value.row}\n" for value in documented())


def of_schema(node, path=()):
    """Yield the path of each value that the schema knows, as deep as it names them."""
    node = _followed(node)
    if "properties" not in node:
        yield path
        return
    for name, child in node["properties"].items():
        yield from of_schema(child, (*path, name))


def objects_of_schema(node, path=()):
    """Yield each object of the schema that names its members, with its path."""
    node = _followed(node)
    if "properties" in node and node["type"] == "object":
        yield path, node
        for name, child in node["properties"].items():
            yield from objects_of_schema(child, (*path, name))


def _followed(node):
    return schema()["definitions"][node["$ref"].rpartition("/")[2]] if "$ref" in node else node


def main():
    before, rest = README.read_text().split(BEGIN)
    README.write_text(before + BEGIN + table() + END + rest.split(END)[1])


if __name__ == "__main__":
    main()
