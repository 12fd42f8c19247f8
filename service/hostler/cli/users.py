# SPDX-License-Identifier: GPL-3.0-or-later
"""``hostler user``: users, without a service and without a login."""

from __future__ import annotations

import re
from typing import Annotated

import typer

from hostler.cli.passwords import read_password
from hostler.cli.permissions import parse_permissions
from hostler.cli.running import run
from hostler.cli.table import show_table

app = typer.Typer(help="Manage users.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="The user's name.")]
Stdin = Annotated[bool, typer.Option("--password-stdin", help="Read the password from standard input.")]
Generate = Annotated[bool, typer.Option("--generate-password", help="Generate the password and show it.")]
PermissionNames = Annotated[
    list[str] | None, typer.Option("--permission", "-p", help="read, write or admin; repeat it for several.")
]


@app.command("add")
def add(
    name: Name, permission: PermissionNames = None, password_stdin: Stdin = False, generate: Generate = False
) -> None:
    """Add a user; with no --permission it may read."""
    from hostler.accounts import users
    from hostler.accounts.schemas import USERNAME_PATTERN

    if not re.fullmatch(USERNAME_PATTERN, name):
        raise typer.BadParameter("a name has at most 64 letters, digits and . _ @ + -, a letter or digit first")
    permissions = parse_permissions(permission or ["read"])
    password = read_password(from_stdin=password_stdin, generate=generate)
    run(users.create_user(name, password, permissions))
    typer.echo(f"Added the user {name} ({', '.join(permissions)})")


@app.command("list")
def list_users() -> None:
    """List users."""
    from hostler.accounts.models import User
    from hostler.bodies import zulu

    async def work() -> list[User]:
        return await User.all().order_by("id")

    show_table(
        ("ID", "NAME", "PERMISSIONS", "ENABLED", "CREATED"),
        [
            (user.id, user.username, ",".join(user.permissions), "yes" if user.enabled else "no", zulu(user.created_at))
            for user in run(work())
        ],
    )


@app.command("password")
def password(name: Name, password_stdin: Stdin = False, generate: Generate = False) -> None:
    """Set a user's password; its sessions and API tokens end at once."""
    new = read_password(from_stdin=password_stdin, generate=generate)
    _change(name, password=new)
    typer.echo(f"Set the password of {name}; its sessions and API tokens are ended")


@app.command("permissions")
def permissions(name: Name, permission: PermissionNames = None) -> None:
    """Set what a user may do: exactly the given permissions, none without any."""
    _change(name, permissions=parse_permissions(permission or []))
    typer.echo(f"{name} may now: {', '.join(permission or ['nothing'])}")


@app.command("disable")
def disable(name: Name) -> None:
    """Disable a user; its sessions and API tokens end at once."""
    _change(name, enabled=False)
    typer.echo(f"Disabled the user {name}")


@app.command("enable")
def enable(name: Name) -> None:
    """Enable a user again; API tokens that ended when it was disabled stay so."""
    _change(name, enabled=True)
    typer.echo(f"Enabled the user {name}")


@app.command("delete")
def delete(name: Name) -> None:
    """Delete a user with its sessions and API tokens; its VMs and jobs stay."""
    from hostler.accounts import users

    async def work() -> None:
        await users.delete_user((await users.get_user_named(name)).id)

    run(work())
    typer.echo(f"Deleted the user {name}")


def _change(name: str, **changes: object) -> None:
    from hostler.accounts import users

    async def work() -> None:
        user = await users.get_user_named(name)
        await users.change_user(user.id, **changes)  # type: ignore[arg-type] # its own keywords, from the callers above

    run(work())
