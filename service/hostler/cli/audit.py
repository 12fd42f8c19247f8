# SPDX-License-Identifier: GPL-3.0-or-later
"""``hostler audit``: who did what, and whether that is still what was written."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from hostler.cli.running import run
from hostler.cli.table import printable, show_table

if TYPE_CHECKING:
    from hostler.audit.chain import Head, Verdict
    from hostler.audit.schemas import AuditEntryShown

app = typer.Typer(help="Show the audit, and check it.", no_args_is_help=True)

Moment = Annotated[
    datetime | None,
    typer.Option(formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S.%fZ"], help="A day or a time, UTC."),
]


@app.command("list")
def list_entries(
    actor: Annotated[str | None, typer.Option(help="Only what this user, or this account of the machine, did.")] = None,
    action: Annotated[str | None, typer.Option(help="Only this action, such as user.create, or 'user.*'.")] = None,
    target_kind: Annotated[str | None, typer.Option(help="Only what was done to a vm, a user, a server ...")] = None,
    target_id: Annotated[int | None, typer.Option(min=1, max=2**63 - 1, help="Only to what has this id.")] = None,
    outcome: Annotated[str | None, typer.Option(help="accepted, succeeded, failed or denied.")] = None,
    since: Moment = None,
    until: Moment = None,
    limit: Annotated[int, typer.Option(min=0, help="How many, the newest; 0 is all.")] = 50,
    json: Annotated[bool, typer.Option("--json", help="One JSON object a line, in full, as it is hashed.")] = False,
) -> None:
    """List entries, the newest last."""
    from datetime import UTC

    from hostler.audit.entry import canonical
    from hostler.audit.models import Outcome
    from hostler.audit.schemas import AuditEntryShown
    from hostler.audit.search import Wanted

    if outcome is not None and outcome not in list(Outcome):
        raise typer.BadParameter(f"{outcome!r} is no outcome: accepted, succeeded, failed or denied")
    wanted = Wanted(
        actor=actor,
        action=action,
        target_kind=target_kind,
        target_id=target_id,
        outcome=None if outcome is None else Outcome(outcome),
        since=None if since is None else since.replace(tzinfo=UTC),
        until=None if until is None else until.replace(tzinfo=UTC),
    )

    async def work() -> None:
        async for piece in wanted.pieces(limit):
            shown = [AuditEntryShown.of(row) for row in piece]
            if json:
                for entry in shown:
                    typer.echo(canonical(entry.model_dump(mode="json")))
            else:
                _show(shown)

    run(work())


@app.command("verify")
def verify(
    head: Annotated[
        list[str] | None,
        typer.Option(metavar="ID:HASH", help="What 'hostler audit head' has shown once; may be given again."),
    ] = None,
) -> None:
    """Check that every entry is as it was written, and none is missing; exit code 1 and the first that is not.

    A head whose entry was pruned, and of which the audit does not say the hash any more, is exit code 1, too.
    """
    from hostler.audit.chain import Head
    from hostler.audit.chain import verify as verify_chain
    from hostler.database import append_only
    from hostler.database.queries import connection

    heads = [Head.of(words) for words in head or []]

    async def work() -> tuple[Verdict, list[str]]:
        return await verify_chain(*heads), await append_only.missing(connection())

    verdict, unguarded = run(work())
    if verdict.first is not None:
        typer.echo(f"{verdict.entries} entries, {verdict.first.id} to {verdict.head}, are as they were written")
    if verdict.problem is not None:
        typer.echo(f"hostler: Entry {verdict.broken} of the audit: {verdict.problem}", err=True)
    for one, pruned_by in verdict.not_compared.items():
        typer.echo(f"hostler: The head {one} was not compared: pruned by entry {pruned_by}", err=True)
    if unguarded:
        typer.echo(f"hostler: The database lets the audit be changed: it lacks {', '.join(unguarded)}", err=True)
    if verdict.problem is not None or verdict.not_compared or unguarded:
        raise typer.Exit(1)


@app.command("head")
def head() -> None:
    """Show the newest entry's number and hash, to be kept elsewhere: 'hostler audit verify --head' takes it."""
    from hostler.audit.chain import newest
    from hostler.errors import OperatorError

    async def work() -> Head | None:
        return await newest()

    found = run(work())
    if found is None:
        raise OperatorError("The audit is empty, which it never is by itself")
    typer.echo(str(found))


def _show(entries: list[AuditEntryShown]) -> None:
    show_table(
        ("ID", "AT", "ACTOR", "AUTH", "ADDRESS", "ACTION", "TARGET", "OUTCOME"),
        [
            (
                one.id,
                one.at,
                one.actor or "-",
                one.auth.value if one.token_name is None else f"{one.auth.value} {one.token_name}",
                one.address or "-",
                one.action,
                _target(one),
                one.outcome.value,
            )
            for one in entries
        ],
    )


def _target(entry: AuditEntryShown) -> str:
    named = (str(part) for part in (entry.target_kind, entry.target_id, entry.target_name) if part is not None)
    return printable(" ".join(named)) or "-"
