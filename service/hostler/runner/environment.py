# SPDX-License-Identifier: GPL-3.0-or-later
"""The environment that ``ansible-playbook`` is started with: written from nothing, never inherited.

ansible-runner would start it with all of the service's own environment, database password and signing key
included. What is in here is the same in every run of a service, but for `of_run`: Ansible reads its
configuration when it is imported, so a process that has it imported already can serve any run whose fixed
part is equal.
"""

from __future__ import annotations

import importlib.util
import os
import sysconfig
from pathlib import Path

from ansible_runner.utils import get_callback_dir

MARK = "AWX_ISOLATED_DATA_DIR"  # names the run's own folder: in every process of a run, and in no other


def fixed(ansible_home: Path, playbooks_dir: Path | None) -> dict[str, str]:
    """Answer the variables that all runs share.

    :param ansible_home: a private folder that takes the place of ``~/.ansible``, so that no collection,
        plugin or setting of the service's user gets into a run.
    :param playbooks_dir: the operator's playbooks; an ``ansible.cfg`` beside them counts, and no other does.
    """
    config = playbooks_dir.resolve() / "ansible.cfg" if playbooks_dir else None
    return {
        # ansible-runner finds ansible-playbook on PATH.
        "PATH": os.pathsep.join([sysconfig.get_path("scripts"), os.environ.get("PATH", os.defpath)]),
        "HOME": str(Path.home()),
        "LANG": "C.UTF-8",
        "ANSIBLE_HOME": str(ansible_home),
        "ANSIBLE_CONFIG": str(config if config and config.is_file() else ansible_home / "ansible.cfg"),
        "ANSIBLE_COLLECTIONS_PATH": str(collections_folder()),
        "ANSIBLE_CALLBACK_PLUGINS": get_callback_dir(),
        "ANSIBLE_STDOUT_CALLBACK": "awx_display",
        # Characters: a larger result would reach the callback's events empty.
        "MAX_EVENT_RES": str(16 * 1024 * 1024),
        "ANSIBLE_INVENTORY_ENABLED": "ansible.builtin.yaml",
        "ANSIBLE_RETRY_FILES_ENABLED": "False",
        "ANSIBLE_NOCOLOR": "True",
        "ANSIBLE_NOCOWS": "True",
        # For the service's log; what a client sees has none.
        "ANSIBLE_DISPLAY_TRACEBACK": "error",
        "ANSIBLE_HOST_KEY_CHECKING": "True",
        # A module's arguments go through a pipe instead of a file.
        "ANSIBLE_PIPELINING": "True",
        # No shared connection: its master would outlive the run, and a cancel.
        "ANSIBLE_SSH_ARGS": "-o ControlMaster=no -o ControlPath=none",
    }


def of_run(folder: Path, artifacts: Path) -> dict[str, str]:
    """Answer the variables that differ from run to run."""
    return {MARK: str(artifacts), "ANSIBLE_LOCAL_TEMP": str(folder / "tmp")}


def collections_folder() -> Path:
    """Answer the folder with the ``ansible_collections`` that the service itself imports.

    A copy of the collection elsewhere, in ``~/.ansible/collections`` say, may be of another version: service
    and playbooks have to run the same core.

    :raises RuntimeError: the collection isn't installed.
    """
    core = importlib.util.find_spec("ansible_collections.hostler.libvirt.plugins.module_utils")
    if core is None or not core.submodule_search_locations:
        raise RuntimeError("the collection hostler.libvirt is not installed beside the service")
    return Path(next(iter(core.submodule_search_locations))).parents[4]


def packages_folder() -> Path:
    """Answer the folder that ``ansible`` is installed in.

    :raises RuntimeError: it isn't installed.
    """
    found = importlib.util.find_spec("ansible")  # imports nothing of it
    if found is None or found.origin is None:
        raise RuntimeError("ansible-core is not installed beside the service")
    return Path(found.origin).parents[1]
