# SPDX-License-Identifier: GPL-3.0-or-later
"""Checking a password, slowly and slower."""

from __future__ import annotations

import ipaddress

import structlog

from hostler.accounts.models import User
from hostler.accounts.passwords import verify
from hostler.accounts.throttle import Throttle
from hostler.accounts.users import name_key
from hostler.errors import TooManyRequests, Unauthenticated
from hostler.metrics.measures import LOGINS_FAILED

log = structlog.get_logger(__name__)


async def check_password(throttle: Throttle, username: str, password: str, address: str) -> User:
    """Return the user whose name and password these are, and who is enabled.

    ``address`` is the client's. Raises Unauthenticated, the same for every reason and after about the same time, and
    TooManyRequests without looking at the password after too many failures of the account or the address.
    """
    account_key, address_key = f"account {name_key(username)}", f"address {_one_client(address)}"
    try:
        throttle.attempt(account_key, address_key)
    except TooManyRequests:
        LOGINS_FAILED.labels(reason="throttled").inc()
        raise
    user = await User.get_or_none(username_key=name_key(username))
    right, new_hash = await verify(password, user.password_hash if user else None)
    if user is None or not right or not user.enabled:
        # a name that is nobody's is not logged: people type passwords into that field
        LOGINS_FAILED.labels(reason="wrong").inc()
        log.warning("login failed", username=user.username if user else None, address=address)
        raise Unauthenticated
    throttle.succeeded(account_key, address_key)
    if new_hash is not None:
        user.password_hash = new_hash
        await user.save(update_fields=["password_hash"])
    return user


def _one_client(address: str) -> str:
    """What is one client for the throttle: an IPv4 address, or a network of IPv6, for all of a /64 is anybody's."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address  # of a socket, or whatever a proxy calls its clients
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(parsed), 64), strict=False))
