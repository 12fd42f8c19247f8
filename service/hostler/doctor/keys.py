# SPDX-License-Identifier: GPL-3.0-or-later
"""The keys: whether they are there, and open what was sealed. None is made here."""

from __future__ import annotations

from hostler.doctor.finding import Finding, failed, ok, warning
from hostler.key_file import KeyFileError, read_keys
from hostler.sealed import locked, sealed_texts
from hostler.sealing import present_sealer
from hostler.settings import Settings

_GIVE_ANEW = (
    "Bring back the keys of when they were sealed ('hostler db restore --with-keys', or a copy of the file); else give "
    "them anew: PUT /api/credentials/{id} with all parts, 'hostler webhook rotate-secret'; ask for the jobs again"
)


async def sealing(settings: Settings) -> Finding:
    """Whether the sealing key opens every sealed secret of the database."""
    texts = await sealed_texts()
    file = settings.sealing_keys_file
    if settings.sealing_key is None and file is not None and not file.exists():
        if not texts:
            return ok("sealing keys", "Nothing is sealed, and no key was made yet")
        message = f"The sealing keys {file} are gone, with which {len(texts)} secrets of the database are sealed"
        return failed(
            "sealing keys", message, f"{_GIVE_ANEW}. The next start makes a new key, which opens none of them"
        )
    try:
        sealer = present_sealer(settings)
    except KeyFileError as error:
        return failed("sealing keys", str(error), "Mend the file, or restore it from a backup")
    if owners := await locked(sealer):
        message = f"The sealing key does not open the secrets of {', '.join(owners)}"
        return failed("sealing keys", message, _GIVE_ANEW)
    return ok("sealing keys", f"The sealing key opens every secret that is sealed ({len(texts)})")


def signing(settings: Settings) -> Finding:
    """Whether the keys that sign access tokens can be used."""
    file = settings.signing_keys_file
    if settings.signing_key is not None or file is None:
        return ok("signing keys", "The signing key is a setting")
    if not file.exists():
        message = f"There are no signing keys {file}; the next start makes some, and everybody logs in anew"
        return warning("signing keys", message, "Nothing, on a new machine; else restore the file")
    try:
        read_keys(file, "signing keys", "everybody logs in anew")
    except KeyFileError as error:
        return failed("signing keys", str(error), "Mend the file, or restore it from a backup")
    return ok("signing keys", f"The signing keys {file} can be used")
