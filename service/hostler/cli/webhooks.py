# SPDX-License-Identifier: GPL-3.0-or-later
"""``hostler webhook``: who is sent what happens. What is tested or sent again is sent by the command itself."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hostler.cli.options import body_of
from hostler.cli.running import run
from hostler.cli.table import show_table

if TYPE_CHECKING:
    from hostler.webhooks.models import Webhook, WebhookDelivery
    from hostler.webhooks.sending import Answer

app = typer.Typer(help="Manage webhooks.", no_args_is_help=True)

_NOT_VALID = "The webhook is not valid"
WebhookId = Annotated[int, typer.Argument(min=1, max=2**31 - 1, help="Its id, as 'hostler webhook list' shows it.")]
SecretStdin = Annotated[
    bool, typer.Option("--secret-stdin", help="Read the secret from standard input; without, one is made.")
]


@app.command("add")
def add(
    url: Annotated[str, typer.Argument(help="Where to send events: http:// or https://.")],
    kind: Annotated[
        list[str] | None, typer.Option("--kind", "-k", help="Only these events, e.g. vm.created or 'vm.*'; repeat it.")
    ] = None,
    vm_id: Annotated[int | None, typer.Option(help="Only events of this VM.")] = None,
    server_id: Annotated[int | None, typer.Option(help="Only events of this server.")] = None,
    description: Annotated[str, typer.Option(help="What it is for.")] = "",
    secret_stdin: SecretStdin = False,
) -> None:
    """Have what happens from now on sent to a URL; the secret that it is signed with is shown this once."""
    from hostler.sealing import load_sealer
    from hostler.settings import Settings
    from hostler.webhooks import actions
    from hostler.webhooks.schemas import WebhookBody

    given = {
        "url": url,
        "kinds": kind or [],
        "vm_id": vm_id,
        "server_id": server_id,
        "description": description,
        "secret": _given(secret_stdin),
    }
    body = body_of(WebhookBody, given, _NOT_VALID)

    async def work() -> tuple[Webhook, str]:
        settings = Settings.load()
        given = body.secret.get_secret_value() if body.secret else None
        fields = body.model_dump(exclude={"secret"})
        return await actions.create(fields, given, load_sealer(settings), settings.webhook_destinations)

    webhook, secret = run(work())
    typer.echo(f"Webhook {webhook.id} added\nSecret: {secret}")


@app.command("list")
def list_webhooks() -> None:
    """List the webhooks, and how they are."""
    from hostler.bodies import zulu
    from hostler.webhooks.models import Webhook
    from hostler.webhooks.schemas import WebhookShown

    async def work() -> list[Webhook]:
        return await Webhook.all().order_by("id")

    show_table(
        ("ID", "URL", "KINDS", "HEALTH", "DELIVERED", "MISSED", "REASON"),
        [
            (
                webhook.id,
                webhook.url,
                ",".join(webhook.kinds) or "all",
                webhook.state.health,
                zulu(webhook.state.delivered_at) if webhook.state.delivered_at else "never",
                webhook.state.missed,
                webhook.state.reason or "-",
            )
            for webhook in map(WebhookShown.of, run(work()))
        ],
    )


@app.command("change")
def change(
    webhook_id: WebhookId,
    url: Annotated[str | None, typer.Option(help="Where to send events from now on.")] = None,
    kind: Annotated[
        list[str] | None,
        typer.Option("--kind", "-k", help="Only these events from now on; may be given again, '' for all."),
    ] = None,
    vm_id: Annotated[int | None, typer.Option(help="Only events of this VM; 0 for those of all.")] = None,
    server_id: Annotated[int | None, typer.Option(help="Only events of this server; 0 for those of all.")] = None,
    description: Annotated[str | None, typer.Option(help="What it is for.")] = None,
) -> None:
    """Change what the options name; what waits to be sent again is sent now."""
    from hostler.errors import OperatorError
    from hostler.webhooks.schemas import WebhookChange

    known = {
        "url": url,
        "kinds": None if kind is None else [one for one in kind if one],
        "description": description,
        "vm_id": vm_id,
        "server_id": server_id,
    }
    given: dict[str, Any] = {name: value for name, value in known.items() if value is not None}
    if not given:
        raise OperatorError("Nothing is to be changed: say what by an option")
    given.update({name: None for name in ("vm_id", "server_id") if given.get(name) == 0})
    _change(webhook_id, body_of(WebhookChange, given, _NOT_VALID).model_dump(exclude_unset=True), "changed")


@app.command("enable")
def enable(webhook_id: WebhookId) -> None:
    """Send what happens, and what has happened since it was disabled."""
    _change(webhook_id, {"enabled": True}, "enabled")


@app.command("disable")
def disable(webhook_id: WebhookId) -> None:
    """Send nothing until it is enabled again."""
    _change(webhook_id, {"enabled": False}, "disabled")


@app.command("remove")
def remove(webhook_id: WebhookId) -> None:
    """Send nothing more, and forget what was sent."""
    from hostler.webhooks import actions

    async def work() -> None:
        await actions.remove(await actions.get_webhook(webhook_id))

    run(work())
    typer.echo(f"Webhook {webhook_id} removed")


@app.command("rotate-secret")
def rotate_secret(
    webhook_id: WebhookId,
    overlap_hours: Annotated[int, typer.Option(min=0, max=168, help="How long the old one signs, too.")] = 24,
    secret_stdin: SecretStdin = False,
) -> None:
    """Give a webhook another secret, and show it, this once."""
    from hostler.sealing import load_sealer
    from hostler.settings import Settings
    from hostler.webhooks import actions
    from hostler.webhooks.schemas import Rotation

    body = body_of(Rotation, {"secret": _given(secret_stdin), "overlap_hours": overlap_hours}, _NOT_VALID)

    async def work() -> str:
        webhook = await actions.get_webhook(webhook_id)
        given = body.secret.get_secret_value() if body.secret else None
        _, secret = await actions.rotate(webhook, given, body.overlap_hours, load_sealer(Settings.load()))
        return secret

    typer.echo(f"Secret: {run(work())}")


@app.command("test")
def test(webhook_id: WebhookId) -> None:
    """Send a message of the type ping, from here and once, and show what came back; exit code 1 if nothing good did."""
    from hostler.sealing import load_sealer
    from hostler.settings import Settings
    from hostler.webhooks import actions
    from hostler.webhooks.sending import Sender

    async def work() -> Answer:
        webhook = await actions.get_webhook(webhook_id)
        settings = Settings.load()
        async with Sender.opened(settings, load_sealer(settings)) as sender:
            return await actions.test(webhook, sender)

    answer = run(work())
    if not answer.is_delivered:
        typer.echo(f"hostler: {answer.error}", err=True)
        raise typer.Exit(1)
    typer.echo(f"Delivered: the receiver answered {answer.status} after {answer.seconds * 1000:.0f} ms")


@app.command("failed")
def failed(webhook_id: WebhookId) -> None:
    """List a webhook's dead letters: the events that could not be delivered."""
    from hostler.bodies import zulu
    from hostler.webhooks import actions

    async def work() -> list[WebhookDelivery]:
        return await actions.dead_letters(await actions.get_webhook(webhook_id))

    show_table(
        ("ID", "EVENT", "KIND", "HAPPENED", "TRIES", "LAST TRY", "ERROR"),
        [
            (one.id, one.event_id, one.kind, zulu(one.event_at), one.tries, zulu(one.tried_at), one.error)
            for one in run(work())
        ],
    )


@app.command("redeliver")
def redeliver(
    webhook_id: WebhookId,
    delivery_id: Annotated[
        int | None,
        typer.Argument(
            min=1, max=2**63 - 1, help="One dead letter, as 'hostler webhook failed' shows it; all if left out."
        ),
    ] = None,
) -> None:
    """Send dead letters again, in their order, from here, and stop at the first that fails; exit code 1 if one does."""
    from hostler.sealing import load_sealer
    from hostler.settings import Settings
    from hostler.webhooks import actions
    from hostler.webhooks.sending import Sender

    async def work() -> tuple[int, str | None]:
        webhook = await actions.get_webhook(webhook_id)
        letters = (
            await actions.dead_letters(webhook)
            if delivery_id is None
            else [await actions.get_delivery(webhook, delivery_id)]
        )
        settings = Settings.load()
        async with Sender.opened(settings, load_sealer(settings)) as sender:
            for number, letter in enumerate(letters):
                after = await actions.redeliver(webhook, letter, sender)
                if after.error:
                    return number, f"Delivery {letter.id} failed again: {after.error}"
        return len(letters), None

    number, error = run(work())
    typer.echo(f"{number} delivered")
    if error is not None:
        typer.echo(f"hostler: {error}", err=True)
        raise typer.Exit(1)


def _change(webhook_id: int, fields: dict[str, Any], done: str) -> None:
    from hostler.settings import Settings
    from hostler.webhooks import actions

    async def work() -> None:
        webhook = await actions.get_webhook(webhook_id)
        await actions.change(webhook, fields, Settings.load().webhook_destinations)

    run(work())
    typer.echo(f"Webhook {webhook_id} {done}")


def _given(from_stdin: bool) -> str | None:
    """A secret is never an argument, which others on the machine see."""
    return sys.stdin.readline().rstrip("\n") if from_stdin else None
