# SPDX-License-Identifier: GPL-3.0-or-later
"""``hostler token``: API tokens, without a service and without a login."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from hostler.cli.permissions import parse_permissions
from hostler.cli.running import run
from hostler.cli.table import printable, show_table

if TYPE_CHECKING:
    from hostler.accounts.models import ApiToken

app = typer.Typer(help="Manage API tokens.", no_args_is_help=True)


@app.command("create")
def create(
    user: Annotated[str, typer.Argument(help="Whose token it is.")],
    name: Annotated[str, typer.Argument(help="What to call it.")],
    scope: Annotated[
        list[str] | None, typer.Option("--scope", "-s", help="read, write or admin; repeat it for several.")
    ] = None,
    expires_in_days: Annotated[int, typer.Option(min=0, max=3650, help="Days until it expires; 0 is never.")] = 90,
) -> None:
    """Create an API token and show its secret, this once; with no --scope it may read."""
    from hostler.accounts import api_tokens, users

    scopes = parse_permissions(scope or ["read"])

    async def work() -> str:
        owner = await users.get_user_named(user)
        _, secret = await api_tokens.create_token(owner.id, name, scopes, owner.permissions, expires_in_days or None)
        return secret

    typer.echo(run(work()))


@app.command("list")
def list_tokens() -> None:
    """List the API tokens that are not revoked."""
    from hostler.accounts.models import ApiToken
    from hostler.bodies import zulu

    async def work() -> list[ApiToken]:
        return await ApiToken.filter(revoked_at=None).select_related("user").order_by("id")

    show_table(
        ("ID", "USER", "NAME", "PREFIX", "SCOPES", "EXPIRES", "LAST USED"),
        [
            (
                token.id,
                token.user.username,
                token.name,
                token.prefix,
                ",".join(token.scopes),
                zulu(token.expires_at) if token.expires_at else "never",
                zulu(token.last_used_at) if token.last_used_at else "never",
            )
            for token in run(work())
        ],
    )


@app.command("revoke")
def revoke(
    token_id: Annotated[int, typer.Argument(min=1, max=2**31 - 1, help="Its id, as 'hostler token list' shows it.")],
) -> None:
    """Revoke an API token, at once and for ever."""
    from hostler.accounts import api_tokens

    async def work() -> str:
        token = await api_tokens.get_token(token_id)
        await api_tokens.revoke_token(token)
        return token.name

    typer.echo(f"Revoked the token {printable(run(work()))}")
