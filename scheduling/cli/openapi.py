"""``scheduling openapi``: prints the document that describes the API."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
import orjson
from apispec.yaml_utils import dict_to_yaml

from scheduling.web.openapi.document import make_document

if TYPE_CHECKING:
    from scheduling.cli.program import Program


@click.command()
@click.option("--yaml", "as_yaml", is_flag=True, help="Print YAML, not JSON.")
@click.pass_obj
def openapi(program: Program, as_yaml: bool) -> None:  # noqa: FBT001 - click passes options so
    """Print the OpenAPI document of the API with the enabled plugins; the database is not asked."""
    document = make_document(program.application.registry)
    if as_yaml:
        click.echo(dict_to_yaml(document, {"allow_unicode": True, "width": 110}), nl=False)
    else:
        click.echo(orjson.dumps(document, option=orjson.OPT_INDENT_2))
