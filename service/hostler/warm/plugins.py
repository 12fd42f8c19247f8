# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible's own plugins of the kinds that each run lists, with their documentation, which is where their options stand.

A site may put one of its own in the place of any of these, beside its playbooks, in a role, or in a folder that its
ansible.cfg names. Python knows both by the same name and keeps the first, so what was loaded before has to give way.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

_KINDS = ("become", "cache", "callback", "connection", "shell", "strategy", "vars")


def load() -> None:
    """Load them, and nothing of a site's."""
    for plugins in _loaders():
        configured, plugins.config = plugins.config, []
        for _ in plugins.all(class_only=True):
            pass
        plugins.config = configured


def give_way() -> None:
    """Have those forgotten that a site replaces: here for the configured folders, and for others as they come."""
    from ansible.plugins import loader

    for _, plugins in loader.get_all_plugin_loaders():
        plugins._clear_caches()  # noqa: SLF001 - which files it has seen where
    for plugins in _loaders():
        for folder in plugins.config:
            _forget(plugins, folder)
        plugins.add_directory = _Addition(plugins)


class _Addition:
    """What Ansible calls for each folder of plugins that a playbook or a role has."""

    def __init__(self, plugins: Any) -> None:
        self._plugins = plugins
        self._add = plugins.add_directory

    def __call__(self, directory: str, with_subdir: bool = False) -> None:
        _forget(self._plugins, directory)
        self._add(directory, with_subdir)


def _loaders() -> list[Any]:
    from ansible.plugins import loader

    return [getattr(loader, f"{kind}_loader") for kind in _KINDS]


def _forget(plugins: Any, folder: str) -> None:
    from ansible import constants
    from ansible.plugins import get_plugin_class

    for path in Path(folder).rglob("*.py"):
        sys.modules.pop(f"{plugins.package}.{path.stem}", None)
        constants.config._plugins.get(get_plugin_class(plugins.class_name), {}).pop(path.stem, None)  # noqa: SLF001
