# SPDX-License-Identifier: GPL-3.0-or-later
"""``hostler credential``: what servers are reached with. Secrets are read from files, and are never shown."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hostler.cli.options import body_of
from hostler.cli.running import run
from hostler.cli.table import show_table

if TYPE_CHECKING:
    from hostler.credentials.models import Credential
    from hostler.credentials.schemas import CredentialShown

app = typer.Typer(help="Manage credentials, with which servers are reached.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="What the credential is called.")]
SshKey = Annotated[
    Path | None, typer.Option(help="File of an SSH private key without a passphrase.", exists=True, dir_okay=False)
]
KnownHosts = Annotated[
    Path | None, typer.Option(help="With it: a known_hosts file of the servers' keys.", exists=True, dir_okay=False)
]
CaCertificate = Annotated[
    Path | None, typer.Option(help="PEM file of the servers' authority, for TLS.", exists=True, dir_okay=False)
]
ClientCertificate = Annotated[
    Path | None, typer.Option(help="With it: PEM file of one's own certificate.", exists=True, dir_okay=False)
]
ClientKey = Annotated[
    Path | None, typer.Option(help="With it: PEM file of that certificate's key.", exists=True, dir_okay=False)
]


@app.command("add")
def add(
    name: Name,
    ssh_key: SshKey = None,
    known_hosts: KnownHosts = None,
    ca_certificate: CaCertificate = None,
    client_certificate: ClientCertificate = None,
    client_key: ClientKey = None,
    description: Annotated[str, typer.Option(help="Free text.")] = "",
) -> None:
    """Keep an SSH key with the servers' host keys, or a TLS client certificate, sealed."""
    from hostler.credentials import actions
    from hostler.credentials.keeping import Keeper
    from hostler.credentials.models import CredentialKind
    from hostler.credentials.schemas import CredentialBody
    from hostler.errors import OperatorError
    from hostler.settings import Settings

    parts = _parts(ssh_key, known_hosts, ca_certificate, client_certificate, client_key)
    if not parts:
        raise OperatorError(
            "Nothing is to be kept: name --ssh-key and --known-hosts, or --ca-certificate, --client-certificate and "
            "--client-key"
        )
    kind = "tls" if ssh_key is None and known_hosts is None else "ssh"
    given = {"name": name, "kind": kind, "description": description, **parts}
    body = body_of(CredentialBody, given, "The credential can't be added")

    async def work() -> Credential:
        keeper = Keeper.of(Settings.load())
        return await actions.add(keeper, body.name, CredentialKind(body.kind), body.parts, body.description)

    credential = run(work())
    typer.echo(f"Credential {credential.id} '{credential.name}' added: {credential.fingerprint}")


@app.command("change")
def change(
    name: Name,
    new_name: Annotated[str | None, typer.Option(help="What it is called from now on.")] = None,
    ssh_key: SshKey = None,
    known_hosts: KnownHosts = None,
    ca_certificate: CaCertificate = None,
    client_certificate: ClientCertificate = None,
    client_key: ClientKey = None,
    description: Annotated[str | None, typer.Option(help="Free text.")] = None,
) -> None:
    """Change what the options name; the next connection is made with it."""
    from hostler.credentials import actions
    from hostler.credentials.keeping import Keeper
    from hostler.credentials.schemas import CredentialChange
    from hostler.errors import OperatorError
    from hostler.settings import Settings

    parts = _parts(ssh_key, known_hosts, ca_certificate, client_certificate, client_key)
    words = {"name": new_name, "description": description}
    given = {**parts, **{field: value for field, value in words.items() if value is not None}}
    if not given:
        raise OperatorError("Nothing is to be changed: say what by an option")
    body = body_of(CredentialChange, given, "The credential can't be changed")

    async def work() -> Credential:
        fields = body.model_dump(include=set(words), exclude_unset=True)
        credential = await credential_named(name)
        return await actions.change(Keeper.of(Settings.load()), credential, fields, body.parts)

    credential = run(work())
    typer.echo(f"Credential {credential.id} '{credential.name}' changed: {credential.fingerprint}")


@app.command("list")
def list_credentials() -> None:
    """List the credentials, without their secrets."""
    from hostler.bodies import zulu
    from hostler.credentials import actions
    from hostler.credentials.models import Credential

    async def work() -> list[CredentialShown]:
        return await actions.shown(await Credential.all().order_by("id"))

    show_table(
        ("ID", "NAME", "KIND", "FINGERPRINT", "EXPIRES", "SERVERS"),
        [
            (
                one.id,
                one.name,
                one.kind.value,
                one.fingerprint,
                "-" if one.expires_at is None else zulu(one.expires_at),
                ", ".join(one.servers) or "-",
            )
            for one in run(work())
        ],
    )


@app.command("remove")
def remove(name: Name) -> None:
    """Forget a credential that no server is reached with."""
    from hostler.credentials import actions

    async def work() -> None:
        await actions.remove(await credential_named(name))

    run(work())
    typer.echo(f"Credential '{name}' removed")


async def credential_named(name: str) -> Credential:
    """The credential of that name; raises OperatorError if there is none."""
    from hostler.credentials.models import Credential
    from hostler.errors import OperatorError

    credential = await Credential.get_or_none(name=name)
    if credential is None:
        raise OperatorError(f"There is no credential named '{name}'")
    return credential


def _parts(
    ssh_key: Path | None,
    known_hosts: Path | None,
    ca_certificate: Path | None,
    client_certificate: Path | None,
    client_key: Path | None,
) -> dict[str, str]:
    files = {
        "private_key": ssh_key,
        "known_hosts": known_hosts,
        "ca_certificate": ca_certificate,
        "client_certificate": client_certificate,
        "client_key": client_key,
    }
    return {part: _text(file) for part, file in files.items() if file is not None}


def _text(file: Path) -> str:
    from hostler.errors import OperatorError

    try:
        return file.read_text("utf-8")
    except UnicodeDecodeError:
        raise OperatorError(f"{file} is no text") from None
    except OSError as error:
        raise OperatorError(f"{file} can't be read: {error.strerror}") from None
