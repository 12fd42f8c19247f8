# SPDX-License-Identifier: GPL-3.0-or-later
"""Opening the credential of a server for the moment in which something connects to it.

It is read anew each time, so a changed one is used by the next connection, whichever service changed it. In the clear
it is in memory, and in files of a private folder for as long as a connection is being opened or a playbook runs.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import HostUnreachable
from hostler.credentials.models import Credential, CredentialKind
from hostler.credentials.secrets import Secrets
from hostler.hosts.models import Server
from hostler.runner.folder import private_folder
from hostler.sealing import SealBroken, Sealer, load_sealer
from hostler.settings import Settings

_READ_SECONDS = 5.0

Opening = Callable[[], AbstractContextManager[Mapping[str, str] | None]]
"""Variables that name a credential's files, there within the block; None where the server has no credential."""


class Keeper:
    """Opens credentials with the service's key. Made in the event loop."""

    def __init__(self, sealer: Sealer, state_dir: Path) -> None:
        self._sealer = sealer
        self._state_dir = state_dir

    @classmethod
    def of(cls, settings: Settings) -> Keeper:
        """The keeper of a service with these settings; raises KeyFileError."""
        return cls(load_sealer(settings), settings.state_dir)

    def seal(self, parts: Mapping[str, str]) -> str:
        """Seal the parts of a credential for the database."""
        return self._sealer.seal(json.dumps(dict(parts)))

    def open(self, credential: Credential) -> Secrets:
        """The credential in the clear; raises `SealBroken`."""
        return Secrets(CredentialKind(credential.kind), json.loads(self._sealer.open(credential.sealed)))

    async def of_server(self, server_id: int) -> Secrets | None:
        """What the server is reached with, None where it has no credential.

        Raises `HostUnreachable` for one that can't be opened: without it nobody gets there.
        """
        server = await Server.get_or_none(id=server_id).select_related("credential")
        if server is None or server.credential is None:
            return None
        try:
            return self.open(server.credential)
        except SealBroken as error:
            raise HostUnreachable(f"Credential '{server.credential.name}' can't be used: {error}") from None

    def opening(self, server_id: int) -> Opening:
        """The server's credential for the threads that connect to it, which wait for the event loop to read it."""
        loop = asyncio.get_running_loop()

        @contextlib.contextmanager
        def opened() -> Iterator[Mapping[str, str] | None]:
            if loop.is_closed():
                raise HostUnreachable("The service has ended")
            try:
                secrets = asyncio.run_coroutine_threadsafe(self.of_server(server_id), loop).result(_READ_SECONDS)
            except TimeoutError as error:  # the loop is at its end
                raise HostUnreachable("The server's credential could not be read in time") from error
            with self.laid_out(secrets) as variables:
                yield variables

        return opened

    @contextlib.contextmanager
    def laid_out(self, secrets: Secrets | None) -> Iterator[Mapping[str, str] | None]:
        """The credential's files within the block, in a folder that the next start deletes if this one can't."""
        if secrets is None:
            yield None
            return
        with private_folder(self._state_dir, "key") as folder:
            yield secrets.lay_out(folder)
