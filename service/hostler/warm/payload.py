# SPDX-License-Identifier: GPL-3.0-or-later
"""What Ansible ships of a module: an archive of it and of everything that it imports, made once and not in each run.

To make it takes a fifth of a second and more, since each file is parsed for what it imports. Ansible keeps archives in
its folder for temporary files, and looks there first; that folder is new in each run, so a run is given copies.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

MODULES = ("hostler.libvirt.vm",)  # those of our playbooks


def build() -> None:
    """Make the archives."""
    from ansible import constants
    from ansible.executor.module_common import modify_module
    from ansible.parsing.dataloader import DataLoader
    from ansible.plugins.loader import module_loader
    from ansible.template import Templar

    for module in MODULES:
        modify_module(
            module_name=module,
            module_path=module_loader.find_plugin(module),
            module_args={},
            templar=Templar(DataLoader()),
            task_vars={"ansible_playbook_python": sys.executable},
            module_compression=constants.DEFAULT_MODULE_COMPRESSION,
            remote_is_local=True,
        )


def hand_out(made_in: str, temp: str) -> None:
    """Put the archives where the run looks for them, unless a site replaces any of Ansible's own `module_utils`.

    :param made_in: the server's folder for temporary files.
    :param temp: the run's.
    """
    from ansible import constants
    from ansible.plugins.loader import module_utils_loader

    if any(Path(folder).is_dir() for folder in constants.DEFAULT_MODULE_UTILS_PATH):
        return
    archives = Path(temp) / "ansiballz_cache"
    try:
        shutil.copytree(Path(made_in) / archives.name, archives)
    except OSError:  # the server has just been replaced, and its folder is gone
        shutil.rmtree(archives, ignore_errors=True)
        return
    add_directory = module_utils_loader.add_directory

    def take_back_and_add(*arguments: Any, **options: Any) -> None:
        """Ansible calls it for a playbook or a role that has such a folder, before any module is made."""
        shutil.rmtree(archives, ignore_errors=True)
        add_directory(*arguments, **options)

    module_utils_loader.add_directory = take_back_and_add
