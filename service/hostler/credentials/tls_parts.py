# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of a TLS credential, checked: an authority's certificates, a client certificate, and the key of that."""

from __future__ import annotations

from datetime import UTC, datetime

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from cryptography.x509 import Certificate, load_pem_x509_certificates

from hostler.bodies import zulu


def checked_certificates(text: str) -> tuple[str, list[Certificate]]:
    """The certificates of a PEM file, none of which has ended; raises ValueError with what is wrong."""
    pem = _as_file(text)
    try:
        found = load_pem_x509_certificates(pem.encode())
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError("holds no certificate in PEM") from None
    try:
        for one in found:
            one.public_key()
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError("has a key of a kind that is not known, or no key") from None
    ended = min(one.not_valid_after_utc for one in found)
    if ended <= datetime.now(UTC):
        raise ValueError(f"has ended on {zulu(ended)}")
    return pem, found


def checked_key(text: str, certificate: Certificate | None) -> str:
    """The private key of that certificate, if one is known; raises ValueError with what is wrong."""
    pem = _as_file(text)
    try:
        # to try the primes of a large key takes minutes; nothing is signed here, and its certificate tells a wrong one
        public = load_pem_private_key(pem.encode(), password=None, unsafe_skip_rsa_key_validation=True).public_key()
    except TypeError:
        raise ValueError("has a passphrase, which nobody could be asked for: give a key without one") from None
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError("is not a private key in PEM") from None
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if certificate is not None and certificate.public_key().public_bytes(*form) != public.public_bytes(*form):
        raise ValueError("is not the key of client_certificate")
    return pem


def fingerprint(certificate: Certificate) -> str:
    """As ``openssl x509 -fingerprint -sha256`` has it, without the colons."""
    return f"SHA256:{certificate.fingerprint(SHA256()).hex()}"


def _as_file(text: str) -> str:
    return text.replace("\r\n", "\n").strip() + "\n"
