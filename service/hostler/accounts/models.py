# SPDX-License-Identifier: GPL-3.0-or-later
"""Users, their sessions and their tokens, as rows. Indexes stand in `hostler.database.indexes`."""

from __future__ import annotations

from tortoise import fields
from tortoise.models import Model


class User(Model):
    """Somebody, or something, that may log in."""

    id = fields.IntField(primary_key=True, description="Never used again")
    username = fields.CharField(max_length=64, description="As it was given, and as it is shown")
    username_key = fields.CharField(
        max_length=64, description="The name in lower case, unique: 'Ada' and 'ada' are one user"
    )
    password_hash = fields.CharField(max_length=255, description="Argon2id, with its parameters and salt")
    permissions: fields.JSONField[list[str]] = fields.JSONField(
        description="List of read, write and admin, none implies another"
    )
    enabled = fields.BooleanField(default=True, description="A disabled user can't log in and has no sessions")
    session_epoch = fields.IntField(
        default=1, description="Access tokens carry it, and one of an earlier epoch is no longer good"
    )
    created_at = fields.DatetimeField(auto_now_add=True, description="UTC")
    updated_at = fields.DatetimeField(auto_now=True, description="UTC")

    class Meta:
        table = "user_account"
        table_description = "Users"


class RefreshToken(Model):
    """One refresh token of a session; the session is its family, and each use makes the family's next token."""

    id = fields.BigIntField(primary_key=True)
    token_hash = fields.CharField(max_length=64, description="SHA-256 of the token, in hexadecimal")
    family = fields.CharField(max_length=32, description="The session: what began with one login")
    user: fields.ForeignKeyRelation[User] = fields.ForeignKeyField(
        "hostler.User", related_name="refresh_tokens", on_delete=fields.CASCADE
    )
    user_id: int
    created_at = fields.DatetimeField(auto_now_add=True, description="UTC")
    expires_at = fields.DatetimeField(description="UTC")
    used_at = fields.DatetimeField(null=True, description="UTC, when it was exchanged, a second use is theft")
    revoked_at = fields.DatetimeField(null=True, description="UTC, when its session was ended")

    class Meta:
        table = "refresh_token"
        table_description = "Refresh tokens"


class ApiToken(Model):
    """A personal access token, for scripts."""

    id = fields.IntField(primary_key=True)
    name = fields.CharField(max_length=100, description="What its owner calls it")
    prefix = fields.CharField(max_length=16, description="The token's first characters, to recognise it by")
    token_hash = fields.CharField(max_length=64, description="SHA-256 of the token, in hexadecimal")
    user: fields.ForeignKeyRelation[User] = fields.ForeignKeyField(
        "hostler.User", related_name="api_tokens", on_delete=fields.CASCADE, description="Its owner"
    )
    user_id: int
    scopes: fields.JSONField[list[str]] = fields.JSONField(
        description="List of read, write and admin, of which its owner's permissions are the limit"
    )
    expires_at = fields.DatetimeField(null=True, description="UTC, null is never")
    last_used_at = fields.DatetimeField(null=True, description="UTC, within half a minute")
    created_at = fields.DatetimeField(auto_now_add=True, description="UTC")
    revoked_at = fields.DatetimeField(null=True, description="UTC")

    class Meta:
        table = "api_token"
        table_description = "Personal access tokens"


class StreamTicket(Model):
    """A ticket to open one stream with, where a browser can't send a header: good once, and for seconds."""

    id = fields.BigIntField(primary_key=True)
    ticket_hash = fields.CharField(max_length=64, description="SHA-256 of the ticket, in hexadecimal")
    user: fields.ForeignKeyRelation[User] = fields.ForeignKeyField(
        "hostler.User", related_name="stream_tickets", on_delete=fields.CASCADE, description="Whom it lets in"
    )
    user_id: int
    permissions: fields.JSONField[list[str]] = fields.JSONField(
        description="List of read, write and admin: those of the credential that it was asked for with"
    )
    session = fields.CharField(max_length=32, description="The session that asked for it, or which API token")
    epoch = fields.IntField(description="The user's session_epoch when it was made")
    expires_at = fields.DatetimeField(description="UTC")

    class Meta:
        table = "stream_ticket"
        table_description = "Single-use tickets of streams"
