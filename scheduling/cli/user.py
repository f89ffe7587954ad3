"""``scheduling user``: accounts, and who is an admin."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
import sqlalchemy as sa

from scheduling.accounts import service
from scheduling.accounts.models import users
from scheduling.accounts.schemas import Registration
from scheduling.db import session_scope
from scheduling.errors import Invalid
from scheduling.security import Role
from scheduling.views import validate

if TYPE_CHECKING:
    from scheduling.cli import Program

_roles = click.Choice([role.value for role in Role])


@click.group()
def user() -> None:
    """Create accounts, list them, and give them roles."""


@user.command()
@click.argument("email")
@click.option("--name", help="The person's name; by default what stands before the @.")
@click.option("--role", type=_roles, default=Role.MEMBER.value, show_default=True)
@click.password_option(
    envvar="SCHEDULING_PASSWORD", help="Asked for when not given; SCHEDULING_PASSWORD gives it unseen."
)
@click.pass_obj
def create(program: Program, email: str, name: str | None, role: str, password: str) -> None:
    """Create the account EMAIL; it gets the welcome e-mail as after a registration."""
    sent = {"email": email, "name": name or email.partition("@")[0], "password": password}
    try:
        account = validate(Registration(), sent)
        hashed = program.registry.passwords.hash(account.pop("password"))
        with session_scope(program.registry) as db:
            created = service.register(db, **account, password_hash=hashed, role=role)
    except Invalid as error:
        raise click.ClickException(error.sentence) from error
    click.echo(f"Created {role} {created.email} with id {created.id}.")


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
    click.echo(f"{changed.email} is now {role} and has to log in again.")


@user.command("list")
@click.pass_obj
def list_users(program: Program) -> None:
    """List all accounts, oldest first."""
    query = sa.select(users.c.id, users.c.role, users.c.email, users.c.name).order_by(users.c.id)
    with session_scope(program.registry) as db:
        for row in db.rows(query):
            click.echo(f"{row.id:>8}  {row.role:<8} {row.email}  ({row.name})")
