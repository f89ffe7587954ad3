"""Where settings come from: the ini file, overridden by the environment, with one report of all mistakes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import marshmallow
from marshmallow import Schema, fields

from scheduling.config.database_url import LIBPQ_VARIABLES, with_database_url
from scheduling.exceptions import StartupError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping


class Configuration:
    """The ini file and the environment, from which sections are read and mistakes are collected."""

    def __init__(self, ini: Mapping[str, str], environ: Mapping[str, str]) -> None:
        self._ini = ini
        self._environ = with_database_url(ini, environ)
        self.mistakes: list[str] = []
        """What is wrong, each as a sentence."""
        self.variables: set[str] = set(LIBPQ_VARIABLES.values())
        """The environment variables that the sections read, whether they are set or not."""

    def section(self, name: str, schema: Schema) -> dict[str, Any]:
        """Return the valid settings of the keys ``<name>.…``, and note what is wrong with the others."""
        prefix = f"{name}."
        given = {k.removeprefix(prefix): v for k, v in self._ini.items() if k.startswith(prefix)}
        variables = {key: environment_variable(name, key, item) for key, item in schema.fields.items()}
        self.variables.update(variables.values())
        for key, variable in variables.items():
            value = self._environ.get(variable, "").rstrip("\r\n")
            if value != self._environ.get(variable, "") and not schema.fields[key].metadata.get("secret"):
                self.mistakes.append(f"{prefix}{key} ({variable}) ends with a line end; take that away")
            if value:
                given[key] = value
        try:
            loaded: dict[str, Any] = schema.load(given)
        except marshmallow.ValidationError as error:
            for key, messages in error.messages_dict.items():
                variable = f" ({variables[key]})" if key in variables else ""
                self.mistakes.append(f"{prefix}{key}{variable} {'; '.join(messages)}")
            valid: Any = error.valid_data
            return dict(valid)
        return loaded

    def refuse_other_sections(self, names: Collection[str]) -> None:
        """Note as a mistake every key ``<section>.<name>`` of the ini file whose section is none of these.

        Keys without a dot are Pyramid's, or are there for others to refer to.
        """
        # An add-on of Pyramid's reads keys of its own, whatever they are called.
        if "pyramid.includes" in self._ini:
            return
        for key in sorted(self._ini):
            owner, dot, _ = key.partition(".")
            if dot and owner not in names:
                self.mistakes.append(
                    f"{key} is not a setting: nothing that is installed has the name {owner!r}"
                )

    def failure(self) -> StartupError:
        """Return what to raise where there are mistakes: one message with all of them."""
        return StartupError("\n  - ".join(["Scheduling cannot start:", *self.mistakes]))


def environment_variable(section: str, name: str, item: fields.Field[Any]) -> str:
    """Return the environment variable that overrides a setting."""
    core = section == "scheduling"
    default = f"SCHEDULING_{name}" if core else f"SCHEDULING_{section}_{name}"
    return str(item.metadata.get("env", default.upper()))
