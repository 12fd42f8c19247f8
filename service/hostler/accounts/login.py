# SPDX-License-Identifier: GPL-3.0-or-later
"""Checking a password, slowly and slower."""

from __future__ import annotations

import structlog

from hostler.accounts.models import User
from hostler.accounts.passwords import verify
from hostler.accounts.throttle import Throttle
from hostler.accounts.users import find_user_named, name_key
from hostler.client_network import one_client
from hostler.errors import TooManyRequests, Unauthenticated
from hostler.metrics.measures import LOGINS_FAILED

log = structlog.get_logger(__name__)


class LoginFailed(Unauthenticated):
    """The name, the password, or both are wrong, or the user is disabled; whoever tries is told no more than 401."""

    def __init__(self, user: User | None) -> None:
        super().__init__()
        # a name that is nobody's is kept nowhere: people type passwords into that field
        self.user_id: int | None = None if user is None else user.id
        self.username: str | None = None if user is None else user.username


async def check_password(throttle: Throttle, username: str, password: str, address: str) -> User:
    """Return the user whose name and password these are, and who is enabled.

    ``address`` is the client's. Raises LoginFailed, the same for every reason and after about the same time, and
    TooManyRequests without looking at the password after too many failures of the account or the address.
    """
    account_key, address_key = f"account {name_key(username)}", f"address {one_client(address)}"
    try:
        throttle.attempt(account_key, address_key)
    except TooManyRequests:
        LOGINS_FAILED.labels(reason="throttled").inc()
        raise
    user = await find_user_named(username)
    right, new_hash = await verify(password, user.password_hash if user else None)
    if user is None or not right or not user.enabled:
        LOGINS_FAILED.labels(reason="wrong").inc()
        failure = LoginFailed(user)
        log.warning("login failed", username=failure.username, address=address)
        raise failure
    throttle.succeeded(account_key, address_key)
    if new_hash is not None:
        user.password_hash = new_hash
        await user.save(update_fields=["password_hash"])
    return user
