# SPDX-License-Identifier: GPL-3.0-or-later
"""Where an action's playbook is found: the operator's own comes first, then the collection's."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_NAME = re.compile(r"[a-z][a-z0-9_]*")


def find_playbook(name: str, playbooks_dir: Path | None) -> str:
    """Answer what ``ansible-playbook`` is given to run the playbook ``name``.

    That is the path of ``<playbooks_dir>/<name>.yml`` where the operator has put one there, and else the name
    within the collection, ``hostler.libvirt.<name>``, which Ansible finds wherever the collection is
    installed.

    :param name: a name from the dispatch table, never a value from a user.
    :raises ValueError: the name is no playbook's name.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no name of a playbook")
    if playbooks_dir is not None:
        own = playbooks_dir.resolve() / f"{name}.yml"
        if own.is_file():
            return str(own)
    return f"hostler.libvirt.{name}"
