# SPDX-License-Identifier: GPL-3.0-or-later
"""What a stream stands on: the credential that opened it, which is asked again and again whether it is still good."""

from __future__ import annotations

from typing import Protocol

from starlette.requests import HTTPConnection

from hostler.accounts.credentials import Bearer
from hostler.accounts.service import Accounts
from hostler.accounts.tickets import redeem
from hostler.permission import Caller

STANDING = "hostler.standing"
"""Key of the ASGI scope under which the check of a stream's route leaves what opened it."""


class Standing(Protocol):
    """A credential that was good when it was looked at. Equal ones are the same credential."""

    async def caller(self) -> Caller:
        """Return who it is now, and with what permissions; raises Unauthenticated once it is no longer good."""

    def __hash__(self) -> int: ...


async def standing_of(connection: HTTPConnection) -> Standing:
    """Return what opens a stream: its header or, where there is none, its ticket, which is good no more after this.

    Raises Unauthenticated. A token in the address is neither, whatever it is called there.
    """
    ticket = connection.query_params.get("ticket")
    if ticket is None or "authorization" in connection.headers:
        return Bearer.of(connection)
    accounts: Accounts = connection.app.state.accounts
    return await redeem(ticket, accounts.signer.lifetime)
