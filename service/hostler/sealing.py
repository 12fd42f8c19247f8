# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets that the service has to use again, sealed for the database: whoever has a copy of that alone can't read them.

The key stands outside the database, in a file of its owner's only (`hostler.key_file`) or in the settings. What an old
key sealed can be opened for as long as the file has that key.
"""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from hostler.errors import OperatorError
from hostler.key_file import Keys, load_keys, read_keys

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hostler.settings import Settings


class SealBroken(OperatorError):
    """What was sealed can't be opened: the key is another one, or the text was changed."""


class Sealer:
    """Seals and opens texts."""

    def __init__(self, active: bytes, *others: bytes) -> None:
        self._keys = MultiFernet([_fernet(key) for key in (active, *others)])

    def seal(self, secret: str) -> str:
        """Return the text sealed, in ASCII; another each time."""
        return self._keys.encrypt(secret.encode()).decode("ascii")

    def open(self, sealed: str) -> str:
        """Return what was sealed; raises SealBroken."""
        try:
            return self._keys.decrypt(sealed.encode()).decode()
        except InvalidToken:
            raise SealBroken(
                "A secret of the database can't be opened: the sealing key is not the one that it was sealed with"
            ) from None

    def can_open(self, sealed: str) -> bool:
        """Whether `open` would."""
        try:
            self.open(sealed)
        except SealBroken:
            return False
        return True

    def renew(self, sealed: str) -> str:
        """Return the same secret, sealed with the active key; raises SealBroken."""
        return self.seal(self.open(sealed))


def load_sealer(settings: Settings) -> Sealer:
    """Return the sealer of the settings' key, or of the file's keys, which are made where there is none.

    Raises `hostler.key_file.KeyFileError` if the file can be read by others, or is not what it should be.
    """
    settings.make_state_dir()
    return _sealer(settings, load_keys)


def present_sealer(settings: Settings) -> Sealer:
    """As `load_sealer`, and makes nothing: a file that is not there is a `KeyFileError`, too."""
    return _sealer(settings, read_keys)


def _sealer(settings: Settings, keys_in: Callable[[Path, str, str], Keys]) -> Sealer:
    if settings.sealing_key is not None:
        return Sealer(settings.sealing_key.get_secret_value().encode())
    path = settings.sealing_keys_file
    assert path is not None  # noqa: S101 - Settings fills it in
    keys = keys_in(path, "sealing keys", "all sealed secrets have to be given anew")
    others = [key for name, key in keys.by_name.items() if name != keys.active]
    return Sealer(keys.by_name[keys.active], *others)


def _fernet(key: bytes) -> Fernet:
    # an operator's key is of any length, Fernet's of 32 bytes
    return Fernet(base64.urlsafe_b64encode(hashlib.sha256(key).digest()))
