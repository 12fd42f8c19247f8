# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of an SSH credential, checked: a private key without a passphrase, and lines as a known_hosts file has."""

from __future__ import annotations

import base64
import binascii
import hashlib

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_ssh_private_key,
)

_KINDS = ("ssh-", "ecdsa-", "sk-")
_BEGIN, _END = "-----BEGIN OPENSSH PRIVATE KEY-----\n", "\n-----END OPENSSH PRIVATE KEY-----\n"
_MARKERS = ("@cert-authority", "@revoked")


def checked_key(text: str) -> tuple[str, str]:
    """The private key as OpenSSH takes it, and its public half's fingerprint; raises ValueError with what is wrong.

    What is not in OpenSSH's own form, or has lines around it, is written anew: OpenSSH would not load all of that.
    """
    key = text.replace("\r\n", "\n").strip() + "\n"
    load = load_ssh_private_key if "BEGIN OPENSSH PRIVATE KEY" in key else load_pem_private_key
    try:
        # to try the primes of a large key takes minutes; here nothing is signed with it
        loaded = load(key.encode(), password=None, unsafe_skip_rsa_key_validation=True)
        if not key.startswith(_BEGIN) or not key.endswith(_END):
            key = loaded.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()
        line = loaded.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    except TypeError:
        raise ValueError("has a passphrase, which nobody could be asked for: give a key without one") from None
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError("is not a private key that SSH can use, in OpenSSH's form or PEM") from None
    return key, _fingerprint(base64.b64decode(line.split()[1]))


def checked_host_keys(text: str) -> tuple[str, list[str]]:
    """The lines for a known_hosts file and the fingerprints of their keys; raises ValueError with what is wrong.

    A line may be a key by itself, without a host: then it is expected of whatever is reached with the credential.
    """
    lines: list[str] = []
    found: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        marker = [words.pop(0)] if words[0].startswith("@") else []
        if words and words[0].startswith(_KINDS):
            words.insert(0, "*")
        blob = _blob(words[1:])
        if blob is None or not set(marker) <= set(_MARKERS):
            raise ValueError(f"line {number} is not one of a known_hosts file: HOST TYPE KEY, or TYPE KEY")
        lines.append(" ".join([*marker, *words[:3]]))
        if marker != ["@revoked"]:
            found.append(f"{_fingerprint(blob)} ({words[1]})")
    if not found:
        raise ValueError(
            "holds no key that a host could show: ssh-keyscan HOST prints them, to be compared with the host's"
        )
    return "\n".join(lines) + "\n", found


def _blob(words: list[str]) -> bytes | None:
    """The key of ``TYPE KEY``, None if that is none: a key begins with its type, after four bytes with its length."""
    if len(words) < 2 or not words[0].startswith(_KINDS):
        return None
    try:
        blob = base64.b64decode(words[1], validate=True)
    except (binascii.Error, ValueError):
        return None
    name = words[0].encode()
    return blob if blob.startswith(len(name).to_bytes(4, "big") + name) and len(blob) > len(name) + 8 else None


def _fingerprint(blob: bytes) -> str:
    """As ``ssh-keygen -l`` shows it."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")
