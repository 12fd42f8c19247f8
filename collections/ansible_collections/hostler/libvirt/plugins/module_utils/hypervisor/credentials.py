# SPDX-License-Identifier: GPL-3.0-or-later
"""With which key and certificates a host is reached over SSH or TLS, where the environment names some.

A libvirt URI can name them itself. Who launches a job in AWX, though, has a credential, whose parts are files wherever
AWX puts them and texts in the environment; one that is left empty there is an empty file or an empty text. They hold
for each URI with the transport ``ssh`` or ``tls`` that does not name its own.

- ``HOSTLER_SSH_KEY`` is the file of a private key without a passphrase, ``HOSTLER_SSH_KNOWN_HOSTS`` that of the keys
  that hosts have. ``HOSTLER_SSH_INSECURE`` takes a host for what it says it is.
- ``HOSTLER_TLS_CACERT`` is the file of the authority's certificate, ``HOSTLER_TLS_CLIENTCERT`` and
  ``HOSTLER_TLS_CLIENTKEY`` those of one's own certificate and its key. ``HOSTLER_TLS_INSECURE`` takes a host for what
  it says it is; libvirt wants an authority beside a certificate all the same.

libvirt's client runs ``ssh`` and gives it a key, but no file of known hosts (https://libvirt.org/uri.html#ssh-transport),
so it runs one that has it; its certificates are files of certain names in one folder
(https://libvirt.org/kbase/tlscerts.html). Both are made for the moment of connecting.
"""

from __future__ import annotations

import os
import shlex
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import Dict, Iterator, List, Mapping, Optional
from urllib.parse import quote, urlsplit

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import (
    FieldError,
    HostUnreachable,
    InvalidSpec,
)

_PARTS_OF_A_CERTIFICATE = {
    "HOSTLER_TLS_CACERT": "cacert.pem",
    "HOSTLER_TLS_CLIENTCERT": "clientcert.pem",
    "HOSTLER_TLS_CLIENTKEY": "clientkey.pem",
}

_LOG = "log"

# what a URI says itself of how its host is reached
_OWN = {"ssh": ("command", "keyfile"), "tls": ("pkipath",)}


@contextmanager
def reaching(uri: str, environment: Mapping[str, str]) -> Iterator[str]:
    """The URI by which libvirt reaches the host of ``uri`` with the credentials of ``environment``, within the block.

    `HostUnreachable` that is raised in the block says what ``ssh`` said, if that said something. Raises `InvalidSpec`,
    which names the variable, for a file that can't be read or a certificate without its key.
    """
    parts = urlsplit(uri)
    transport = parts.scheme.partition("+")[2]
    named = {pair.partition("=")[0] for pair in parts.query.split("&")}
    if transport not in _OWN or named.intersection(_OWN[transport]):
        yield uri
        return
    # its folder is readable by nobody else
    folder = Path(tempfile.mkdtemp(prefix="hostler-credentials-"))
    try:
        added = _ssh(environment, folder) if transport == "ssh" else _tls(environment, folder)
        query = "&".join(f"{name}={quote(value, safe='/')}" for name, value in added.items() if name not in named)
        separator = "" if not query else "&" if parts.query else "?"
        yield f"{uri}{separator}{query}"
    except HostUnreachable as error:
        said = _last_line(folder / _LOG)
        if said is None:
            raise
        raise HostUnreachable(f"Failed to connect to the host: {said}") from error
    finally:
        shutil.rmtree(str(folder), ignore_errors=True)


def _ssh(environment: Mapping[str, str], folder: Path) -> Dict[str, str]:
    options: List[str] = []
    key = _content(environment, "HOSTLER_SSH_KEY")
    if key is not None:
        original = Path(environment["HOSTLER_SSH_KEY"]).resolve()
        if key.endswith("\n") and not original.stat().st_mode & 0o077:
            # whoever is killed in this block leaves no key behind
            (folder / "key").symlink_to(original)
        else:
            # ssh refuses a key that others may read, and one without its last line break, which a form easily loses
            _write(folder / "key", key.rstrip() + "\n")
        options += ["-i", str(folder / "key"), "-o", "IdentitiesOnly=yes"]
    insecure = _is_on(environment, "HOSTLER_SSH_INSECURE")
    known = _content(environment, "HOSTLER_SSH_KNOWN_HOSTS")
    if insecure:
        options += ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"]
    elif known is not None:
        _write(folder / "known_hosts", known.rstrip() + "\n")
        options += ["-o", "StrictHostKeyChecking=yes", "-o", f"UserKnownHostsFile={folder / 'known_hosts'}"]
        options += ["-o", "GlobalKnownHostsFile=/dev/null"]
    if not options:
        return {}
    program = folder / "ssh"
    words = " ".join(shlex.quote(option) for option in options)
    # nobody is there to be asked for a password; and of what ssh says for long libvirt tells nothing at all
    log = shlex.quote(str(folder / _LOG))
    _write(program, f'#!/bin/sh\nexec ssh -E {log} -o BatchMode=yes {words} "$@"\n', mode=0o700)
    return {"command": str(program)}


def _tls(environment: Mapping[str, str], folder: Path) -> Dict[str, str]:
    given = [variable for variable in _PARTS_OF_A_CERTIFICATE if _content(environment, variable) is not None]
    for variable, other in (
        ("HOSTLER_TLS_CLIENTCERT", "HOSTLER_TLS_CLIENTKEY"),
        ("HOSTLER_TLS_CLIENTKEY", "HOSTLER_TLS_CLIENTCERT"),
        ("HOSTLER_TLS_CLIENTCERT", "HOSTLER_TLS_CACERT"),
    ):
        if variable in given and other not in given:
            raise InvalidSpec([FieldError(other, f"is required with {variable}")])
    added = {"no_verify": "1"} if _is_on(environment, "HOSTLER_TLS_INSECURE") else {}
    for variable in given:
        (folder / _PARTS_OF_A_CERTIFICATE[variable]).symlink_to(Path(environment[variable]).resolve())
    return {**added, "pkipath": str(folder)} if given else added


def _last_line(path: Path) -> Optional[str]:
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    except OSError:
        return None
    said = [line.strip() for line in lines if line.strip()]
    return said[-1] if said else None


def _content(environment: Mapping[str, str], variable: str) -> Optional[str]:
    """What the file that the variable names says; None where there is none, or nothing in it."""
    path = environment.get(variable)
    if not path:
        return None
    try:
        content = Path(path).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise InvalidSpec([FieldError(variable, f"{path} can't be read: {reason}")]) from error
    return content if content.strip() else None


def _is_on(environment: Mapping[str, str], variable: str) -> bool:
    return environment.get(variable, "").strip().lower() in ("true", "yes", "on", "1")


def _write(path: Path, content: str, mode: int = 0o600) -> None:
    with os.fdopen(os.open(str(path), os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w", encoding="utf-8") as file:
        file.write(content)
