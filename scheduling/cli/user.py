"""``scheduling user``: creates, lists and deletes accounts, and gives them roles and passwords."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from scheduling.accounts import service
from scheduling.accounts.models import users
from scheduling.accounts.schemas import NewPassword, Registration
from scheduling.db.failures import one_line
from scheduling.db.session import session_scope
from scheduling.exceptions import Invalid
from scheduling.logs import printable
from scheduling.security.permissions import Role
from scheduling.web.validation import validate

if TYPE_CHECKING:
    from scheduling.cli.program import Program
    from scheduling.db.metadata import Row

_roles = click.Choice([role.value for role in Role])
_password_stdin = click.option(
    "--password-stdin", is_flag=True, help="Read the password from the first line of the input."
)


@click.group()
def user() -> None:
    """Create accounts, list them, give them roles and passwords, and delete them."""


@user.command()
@click.argument("email")
@click.option("--name", help="The person's name; by default what stands before the @.")
@click.option("--role", type=_roles, default=Role.MEMBER.value, show_default=True)
@_password_stdin
@click.option("--if-missing", is_flag=True, help="Change nothing, and end well, where the account exists.")
@click.pass_obj
def create(
    program: Program, email: str, name: str | None, role: str, *, password_stdin: bool, if_missing: bool
) -> None:
    """Create the account EMAIL; it gets the welcome e-mail as after a registration.

    The password comes from SCHEDULING_PASSWORD or the input, or is asked for.
    """
    existing = _find(program, email) if if_missing else None
    if existing is not None:
        # Its role is left alone too: whoever registered that address first must not become an admin by it.
        click.echo(f"{printable(existing.email)} exists already, as {existing.role}; nothing was changed.")
        return
    password = _password(from_stdin=password_stdin)
    sent = {"email": email, "name": name or email.partition("@")[0], "password": password}
    try:
        account = validate(Registration(), sent)
        hashed = program.registry.passwords.hash(account.pop("password"))
        with session_scope(program.registry) as db:
            created = service.register(db, **account, password_hash=hashed, role=role)
    except Invalid as error:
        raise click.ClickException(error.sentence) from error
    click.echo(f"Created {role} {created.email} with id {created.id}.")


def _find(program: Program, email: str) -> Row | None:
    with session_scope(program.registry) as db:
        return service.find_by_address(db, email)


def _existing(program: Program, email: str) -> Row:
    found = _find(program, email)
    if found is None:
        raise click.ClickException(f"There is no account {email}.")
    return found


def _password(*, from_stdin: bool) -> str:
    # Not an option: every process of the machine could read it.
    given = sys.stdin.readline().rstrip("\r\n") if from_stdin else os.environ.get("SCHEDULING_PASSWORD")
    if given:
        return given
    if from_stdin:
        raise click.ClickException("The input has no password in its first line.")
    try:
        asked: str = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    except click.Abort as error:
        raise click.ClickException("There is no password: type one, or set SCHEDULING_PASSWORD.") from error
    return asked


@user.command("set-role")
@click.argument("email")
@click.argument("role", type=_roles)
@click.pass_obj
def set_role(program: Program, email: str, role: str) -> None:
    """Make the account EMAIL a member or an admin; it has to log in again."""
    with session_scope(program.registry) as db:
        changed = service.set_role(db, email, role)
    if changed is None:
        raise click.ClickException(f"There is no account {email}.")
    click.echo(f"{printable(changed.email)} is now {role} and has to log in again.")


@user.command("set-password")
@click.argument("email")
@_password_stdin
@click.pass_obj
def set_password(program: Program, email: str, *, password_stdin: bool) -> None:
    """Give the account EMAIL another password, as for somebody who has forgotten it; its tokens end.

    The password comes from SCHEDULING_PASSWORD or the input, or is asked for.
    """
    found = _existing(program, email)
    try:
        given = validate(NewPassword(), {"password": _password(from_stdin=password_stdin)})
    except Invalid as error:
        raise click.ClickException(error.sentence) from error
    hashed = program.registry.passwords.hash(given["password"])
    with session_scope(program.registry) as db:
        if not service.set_password(db, found.id, hashed):
            raise click.ClickException(f"There is no account {email} any more.")
    click.echo(f"{printable(found.email)} has another password now and has to log in again.")


@user.command()
@click.argument("email")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def delete(program: Program, email: str, *, yes: bool) -> None:
    """Delete the account EMAIL with everything that belongs to it; its tokens end."""
    found = _existing(program, email)
    who = f"{printable(found.email)} (id {found.id}, {found.role}, {printable(found.name)})"
    if not yes:
        click.confirm(f"Delete {who} with everything that belongs to it? This cannot be undone.", abort=True)
    try:
        with session_scope(program.registry) as db:
            service.delete(db, found.id)
    except IntegrityError as error:
        raise click.ClickException(f"It is kept, since a plugin refers to it: {one_line(error)}") from error
    click.echo(f"Deleted {who}.")


@user.command("list")
@click.pass_obj
def list_users(program: Program) -> None:
    """List all accounts, oldest first."""
    query = sa.select(users.c.id, users.c.role, users.c.email, users.c.name).order_by(users.c.id)
    with session_scope(program.registry) as db:
        for row in db.rows(query):
            click.echo(f"{row.id:>8}  {row.role:<8} {printable(row.email)}  ({printable(row.name)})")
