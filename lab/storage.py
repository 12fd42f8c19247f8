# SPDX-License-Identifier: GPL-3.0-or-later
"""The storage pools of a host, and the guest images in them."""

import logging
import shutil
from pathlib import Path

from lab.image.build import Image
from lab.layout import HostLayout
from lab.virsh import active, exists, virsh

log = logging.getLogger("lab")

IMAGE_POOL = "images"
TINY, DEBIAN = "tiny", "debian"
"""The names of the guest images."""


def volume_of(name: str) -> str:
    """Answer the name of a guest image's volume."""
    return f"{name}.qcow2"


class HostStorage:
    """The pools of one host."""

    def __init__(self, layout: HostLayout):
        self._layout = layout

    def image_path(self, name: str) -> Path:
        """Answer the path of a guest image's volume, whether or not it is there."""
        return self._layout.pools[IMAGE_POOL] / volume_of(name)

    def image_recipe(self, name: str) -> str | None:
        """Answer the recipe of the guest image of that name that is there, None if none is."""
        note = self._recipe_note(name)
        return note.read_text() if note.exists() and self.image_path(name).exists() else None

    def start(self) -> None:
        """Make the pools active, and start with libvirtd from now on."""
        uri = self._layout.uri
        for name, folder in self._layout.pools.items():
            self._layout.pools_outside[name].mkdir(exist_ok=True)
            if not exists(uri, "pool", name):
                virsh(uri, "pool-define-as", name, "dir", "--target", folder)
                virsh(uri, "pool-autostart", name)
            if not active(uri, "pool", name):
                virsh(uri, "pool-start", name)

    def put_image(self, name: str, image: Image) -> None:
        """Copy a guest image into its pool. One that is there stays: disks of guests may lie on it."""
        there = self.image_recipe(name)
        if there == image.recipe:
            return
        if there:
            log.info("%s keeps an older %s image; to renew it: lab down, lab up", self._layout.name, name)
            return
        volume = self.image_path(name)
        unfinished = volume.with_suffix(".part")
        shutil.copyfile(image.qcow2, unfinished)
        unfinished.chmod(0o644)
        unfinished.replace(volume)
        self._recipe_note(name).write_text(image.recipe)
        virsh(self._layout.uri, "pool-refresh", IMAGE_POOL)

    def _recipe_note(self, name: str) -> Path:
        return self._layout.folder / f"{name}-recipe"
