# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys and certificates for tests, made on the spot."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)


def ssh_key() -> str:
    """A private key in OpenSSH's form."""
    key = Ed25519PrivateKey.generate()
    return key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()


def host_key() -> str:
    """A host's public key: TYPE KEY."""
    key = Ed25519PrivateKey.generate().public_key()
    return key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


def ssh_parts() -> dict[str, str]:
    """Both parts of an SSH credential."""
    return {"private_key": ssh_key(), "known_hosts": f"host1.example.com {host_key()}\n"}


def pem_of(key: EllipticCurvePrivateKey) -> str:
    """The key without a passphrase, PEM."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def certificate(days: int = 30) -> tuple[str, EllipticCurvePrivateKey]:
    """A certificate that signs itself and ends in so many days, PEM, and its key."""
    key = generate_private_key(SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "tests")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=60))
        .not_valid_after(now + timedelta(days=days))
        .sign(key, SHA256())
    )
    return made.public_bytes(Encoding.PEM).decode(), key


def tls_parts(days: int = 30) -> dict[str, str]:
    """The three parts of a TLS credential."""
    client, key = certificate(days)
    return {"ca_certificate": certificate(300)[0], "client_certificate": client, "client_key": pem_of(key)}
