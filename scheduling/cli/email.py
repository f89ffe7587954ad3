"""``scheduling email``: shows what e-mails look like, and which addresses get none any more."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from scheduling.app import make_app
from scheduling.cli.suppressions import suppressions

if TYPE_CHECKING:
    from scheduling.cli.program import Program

_NAME, _ADDRESS = "Alex Example", "alex@example.com"


@click.group()
def email() -> None:
    """Look at the e-mails, and say which addresses get none."""


email.add_command(suppressions)


@email.command()
@click.argument("kind")
@click.option("--html", is_flag=True, help="Print the HTML body, and nothing else.")
@click.pass_obj
def preview(program: Program, kind: str, *, html: bool) -> None:
    """Print the e-mail of a KIND, such as WELCOME, with sample data and your own templates.

    For a browser: scheduling email preview WELCOME --html > welcome.html
    """
    registry = make_app(program.setup, program.ini).registry
    templates = registry.email_templates
    if kind not in templates.samples:
        kinds = ", ".join(sorted(templates.samples))
        raise click.ClickException(f"There is no e-mail kind {kind}; there are: {kinds}.")
    mail = templates.render(kind, _NAME, templates.samples[kind])
    if html:
        click.echo(mail.html, nl=False)
        return
    click.echo(f"From: {registry.core_settings.email_from}")
    click.echo(f"To: {_NAME} <{_ADDRESS}>")
    click.echo(f"Subject: {mail.subject}\n")
    click.echo(mail.text, nl=False)
