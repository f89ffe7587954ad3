"""``scheduling email``: shows what e-mails look like, and which addresses get none any more."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from scheduling.app import make_app
from scheduling.cli.email_pages import write_pages
from scheduling.cli.suppressions import suppressions
from scheduling.times import zone_names

if TYPE_CHECKING:
    from scheduling.cli.program import Program
    from scheduling.email.rendering import Rendered

_NAME, _ADDRESS = "Alex Example", "alex@example.com"


def _zone(context: click.Context, parameter: click.Parameter, value: str) -> str:
    if value not in zone_names():
        raise click.BadParameter(f"{value} is not the IANA name of a time zone, such as Europe/Berlin.")
    return value


@click.group()
def email() -> None:
    """Look at the e-mails, and say which addresses get none."""


email.add_command(suppressions)


@email.command()
@click.argument("kind", required=False)
@click.option("--html", is_flag=True, help="Print the HTML body, and nothing else.")
@click.option("--zone", default="UTC", callback=_zone, help="The reader's time zone, such as Europe/Berlin.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write the files to this folder instead, with a page index.html that shows them, light and dark.",
)
@click.option("--open", "is_opened", is_flag=True, help="Open that page in a browser.")
@click.pass_obj
def preview(
    program: Program, kind: str | None, *, html: bool, zone: str, out: Path | None, is_opened: bool
) -> None:
    """Print the e-mail of a KIND, such as WELCOME, with sample data and your own templates.

    If the setting email_unsubscribe_url names a place, each has the link to it, which among those that are
    sent only those have that users can switch off.

    In a browser, without a KIND all of them: scheduling email preview --open
    """
    registry = make_app(program.setup, program.ini).registry
    templates = registry.email_templates
    kinds = sorted(templates.samples)
    if kind not in (None, *kinds):
        raise click.ClickException(f"There is no e-mail kind {kind}; there are: {', '.join(kinds)}.")
    shown = {
        name: templates.render(name, _NAME, templates.samples[name], zone, optional=True)
        for name in ([kind] if kind else kinds)
    }
    if out or is_opened:
        page = write_pages(out or Path(tempfile.mkdtemp(prefix="scheduling-emails-")), shown)
        click.echo(page)
        if is_opened:
            click.launch(str(page))
    elif kind is None:
        raise click.UsageError(f"Name a KIND, or --out or --open for all of them: {', '.join(kinds)}.")
    else:
        _print(shown[kind], registry.core_settings.email_from, html=html)


def _print(mail: Rendered, sender: str, *, html: bool) -> None:
    if html:
        click.echo(mail.html, nl=False)
        return
    click.echo(f"From: {sender}")
    click.echo(f"To: {_NAME} <{_ADDRESS}>")
    click.echo(f"Subject: {mail.subject}\n")
    click.echo(mail.text, nl=False)
