# SPDX-License-Identifier: GPL-3.0-or-later
"""A credential in the clear: laid out as files of their owner's only, under the names that the core knows them by."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hostler.credentials.models import CredentialKind

# by part: the variable that names its file, as the core's hypervisor.credentials has it, and the file's name
FILES: Mapping[CredentialKind, Mapping[str, tuple[str, str]]] = {
    CredentialKind.SSH: {
        "private_key": ("HOSTLER_SSH_KEY", "key"),
        "known_hosts": ("HOSTLER_SSH_KNOWN_HOSTS", "known_hosts"),
    },
    CredentialKind.TLS: {
        "ca_certificate": ("HOSTLER_TLS_CACERT", "cacert.pem"),
        "client_certificate": ("HOSTLER_TLS_CLIENTCERT", "clientcert.pem"),
        "client_key": ("HOSTLER_TLS_CLIENTKEY", "clientkey.pem"),
    },
}


@dataclass(frozen=True, slots=True)
class Secrets:
    """The parts of a credential."""

    kind: CredentialKind
    parts: Mapping[str, str] = field(repr=False)

    def lay_out(self, folder: Path) -> dict[str, str]:
        """Write the parts into files of mode 0600 in ``folder`` and answer the variables that name them."""
        variables = {}
        for part, content in self.parts.items():
            variable, name = FILES[self.kind][part]
            opened = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(opened, "w", encoding="utf-8") as file:
                file.write(content)
            variables[variable] = str(folder / name)
        return variables


def variables_in(folder: Path) -> dict[str, str]:
    """Every variable that a credential of any kind may set, with its file in ``folder``."""
    return {variable: str(folder / name) for files in FILES.values() for variable, name in files.values()}
