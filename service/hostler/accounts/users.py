# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be done to users, whoever asks: the routes and the command line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tortoise.exceptions import IntegrityError
from tortoise.transactions import in_transaction

from hostler.accounts.models import User
from hostler.accounts.passwords import generate_password, hash_password
from hostler.accounts.sessions import end_everything
from hostler.audit.record import Target, changes, record
from hostler.errors import BadRequest, Conflict, NotFound
from hostler.permission import Permission

FIRST_ADMINISTRATOR = "admin"
LONGEST_NAME: int = User._meta.fields_map["username_key"].constraints["max_length"]  # noqa: SLF001  Tortoise's way
"""Characters in what a name is compared by, at the most."""


def name_key(username: str) -> str:
    """Return what a name is compared by."""
    return username.lower()


async def get_user(user_id: int) -> User:
    """Return a user; raises NotFound."""
    user = await User.get_or_none(id=user_id)
    if user is None:
        raise NotFound(f"User with ID {user_id} not found", code="user_not_found")
    return user


async def find_user_named(username: str) -> User | None:
    """The user of that name, in whatever case; None for a name that is nobody's, be it longer than any may be."""
    key = name_key(username)
    return await User.get_or_none(username_key=key) if len(key) <= LONGEST_NAME else None


async def get_user_named(username: str) -> User:
    """Return the user of that name, in whatever case; raises NotFound."""
    user = await find_user_named(username)
    if user is None:
        raise NotFound(f"There is no user named {username!r}", code="user_not_found")
    return user


async def create_user(username: str, password: str, permissions: Sequence[Permission], *, enabled: bool = True) -> User:
    """Create a user; raises Conflict if the name is taken."""
    password_hash = await hash_password(password)
    try:
        async with in_transaction():
            user = await User.create(
                username=username,
                username_key=name_key(username),
                password_hash=password_hash,
                permissions=list(permissions),
                enabled=enabled,
            )
            record("user.create", target=_target(user), after=_audited(user))
            return user
    except IntegrityError:
        raise _name_taken(username) from None


async def change_user(
    user_id: int,
    *,
    username: str | None = None,
    password: str | None = None,
    permissions: Sequence[Permission] | None = None,
    enabled: bool | None = None,
) -> User:
    """Change what is given of a user. A new password, or disabling, ends all sessions and API tokens at once.

    Raises NotFound, Conflict if the name is taken, BadRequest if no enabled administrator would be left.
    """
    # before the transaction: it takes its time, and nobody else could write
    password_hash = None if password is None else await hash_password(password)
    try:
        async with in_transaction():
            await _lock_users()
            user = await get_user(user_id)
            ends = password_hash is not None or (enabled is False and user.enabled)
            was_administrator, before = _is_administrator(user), _audited(user)
            if username is not None:
                user.username, user.username_key = username, name_key(username)
            if password_hash is not None:
                user.password_hash = password_hash
            if permissions is not None:
                user.permissions = list(permissions)
            if enabled is not None:
                user.enabled = enabled
            await user.save()
            if ends:
                await end_everything(user)
            if was_administrator:
                await _check_administrator_left()
            was, is_now = changes(before, _audited(user))
            if is_now or ends:
                # of a password the audit has that it was changed
                what = {"password_changed": password_hash is not None, "sessions_ended": ends}
                details = {name: True for name, happened in what.items() if happened}
                record("user.change", target=_target(user), before=was, after=is_now, details=details)
            return user
    except IntegrityError:
        raise _name_taken(username or "") from None


async def delete_user(user_id: int) -> User:
    """Delete a user with its sessions and tokens; VMs and jobs stay, without their owner.

    Raises NotFound, BadRequest if no enabled administrator would be left.
    """
    async with in_transaction():
        await _lock_users()
        user = await get_user(user_id)
        await user.delete()
        if _is_administrator(user):
            await _check_administrator_left()
        record("user.delete", target=_target(user), before=_audited(user))
        return user


async def make_first_administrator(password: str | None) -> str | None:
    """Create the administrator of an empty database; returns the password that was generated for it, if any was.

    With ``password`` that one is used and None returned, as where there are users already.
    """
    if await User.exists():
        return None
    generated = None if password is not None else generate_password()
    try:
        await create_user(FIRST_ADMINISTRATOR, password or generated or "", list(Permission))
    except Conflict:
        return None  # another service on the same database was first
    return generated


def _target(user: User) -> Target:
    return Target("user", user.id, user.username)


def _audited(user: User) -> dict[str, Any]:
    return {"username": user.username, "permissions": list(user.permissions), "enabled": user.enabled}


async def _lock_users() -> None:
    """Let two changes that each leave an administrator not leave none together; on SQLite transactions queue anyway."""
    # as rows: values_list would leave the FOR UPDATE out
    await User.all().order_by("id").select_for_update().only("id")


def _is_administrator(user: User) -> bool:
    return user.enabled and Permission.ADMIN in user.permissions


async def _check_administrator_left() -> None:
    enabled = await User.filter(enabled=True).values_list("permissions", flat=True)
    if not any(Permission.ADMIN in permissions for permissions in enabled):
        raise BadRequest("This is the last enabled administrator; make another one first", code="last_administrator")


def _name_taken(username: str) -> Conflict:
    return Conflict(f"A user named {username!r} exists already", code="name_taken")
