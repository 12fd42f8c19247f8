# SPDX-License-Identifier: GPL-3.0-or-later
"""The bodies of the credential routes: secrets go in, and none comes out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal, TypeVar

from pydantic import Field, SecretStr, field_validator

from hostler.bodies import RequestBody, ResponseBody, Timestamp
from hostler.credentials.models import Credential, CredentialKind

T = TypeVar("T")

_LONGEST = 65536  # characters: a chain of certificates is a tenth of it

Name = Annotated[
    str, Field(description="What it is called; unique.", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$", max_length=63)
]
Description = Annotated[str, Field(description="Free text.", max_length=1024)]
PrivateKey = Annotated[
    SecretStr | None, Field(description="Of ssh: a private key without a passphrase.", max_length=_LONGEST)
]
KnownHosts = Annotated[
    str | None,
    Field(
        description="Of ssh: the host keys that are expected, as lines of a known_hosts file, or keys by themselves.",
        max_length=_LONGEST,
    ),
]
CaCertificate = Annotated[
    str | None, Field(description="Of tls: the authority of the servers' certificates, PEM.", max_length=_LONGEST)
]
ClientCertificate = Annotated[
    str | None, Field(description="Of tls: what the service shows the servers, PEM.", max_length=_LONGEST)
]
ClientKey = Annotated[
    SecretStr | None, Field(description="Of tls: the certificate's private key, PEM.", max_length=_LONGEST)
]

_PARTS = ("private_key", "known_hosts", "ca_certificate", "client_certificate", "client_key")


class _Parts(RequestBody):
    private_key: PrivateKey = None
    known_hosts: KnownHosts = None
    ca_certificate: CaCertificate = None
    client_certificate: ClientCertificate = None
    client_key: ClientKey = None

    @property
    def parts(self) -> dict[str, str]:
        """The parts that are given, in the clear."""
        given = ((name, getattr(self, name)) for name in _PARTS)
        return {
            name: value.get_secret_value() if isinstance(value, SecretStr) else value
            for name, value in given
            if value is not None
        }


class CredentialBody(_Parts):
    """A new credential: of kind ssh with private_key and known_hosts, of kind tls with the three others."""

    name: Name
    kind: Annotated[Literal["ssh", "tls"], Field(description="By which transport it is used.")]
    description: Description = ""


class CredentialChange(_Parts):
    """What is to be different about a credential; what is left out stays. Its parts are checked together."""

    name: Name | None = None
    description: Description | None = None

    @field_validator("name", "description")
    @classmethod
    def _is_something(cls, value: T) -> T:
        if value is None:
            raise ValueError("a credential can't be without it")
        return value


class CredentialShown(ResponseBody):
    """A credential, without its parts; the fingerprint is that of its public key or its client certificate."""

    id: int
    name: str
    kind: CredentialKind
    description: str
    fingerprint: str
    host_keys: list[str] = Field(description="Fingerprints of the host keys that are expected")
    expires_at: Timestamp | None = Field(description="When the first of its certificates ends")
    servers: list[str] = Field(description="Hostnames of the servers that are reached with it")
    created_at: Timestamp
    updated_at: Timestamp

    @classmethod
    def of(cls, credential: Credential, servers: Sequence[str]) -> CredentialShown:
        """The credential of a row."""
        plain = {name: getattr(credential, name) for name in cls.model_fields if name != "servers"}
        return cls.model_validate({**plain, "servers": list(servers)})
