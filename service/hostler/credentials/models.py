# SPDX-License-Identifier: GPL-3.0-or-later
"""The credentials, as rows. Indexes stand in `hostler.database.indexes`."""

from __future__ import annotations

from enum import StrEnum

from tortoise import fields
from tortoise.models import Model


class CredentialKind(StrEnum):
    """By which transport a credential is used."""

    SSH = "ssh"
    """A private key, and the keys that the hosts have to show."""
    TLS = "tls"
    """A client certificate with its key, and the authority of the hosts' certificates."""


class Credential(Model):
    """What servers are reached with. Its parts are sealed with a key that is not in the database."""

    id = fields.IntField(primary_key=True, description="Never used again")
    name = fields.CharField(max_length=64, description="Unique")
    kind = fields.CharField(max_length=8, description="ssh or tls")
    description = fields.TextField(default="", description="Free text")
    fingerprint = fields.CharField(max_length=128, description="Of the public key, or the client certificate")
    host_keys: fields.JSONField[list[str]] = fields.JSONField(
        default=list, description="Fingerprints of the host keys that are expected, of kind ssh"
    )
    expires_at = fields.DatetimeField(null=True, description="UTC, when the first of its certificates ends")
    sealed = fields.TextField(description="Its parts, as hostler.sealing seals a JSON object")
    created_at = fields.DatetimeField(auto_now_add=True, description="UTC")
    updated_at = fields.DatetimeField(auto_now=True, description="UTC")

    class Meta:
        table = "credential"
        table_description = "What servers are reached with"
