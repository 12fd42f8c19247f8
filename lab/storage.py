# SPDX-License-Identifier: GPL-3.0-or-later
"""The storage pools of a host, and the guest image in them."""

import logging
import shutil
from pathlib import Path

from lab.image.build import Image
from lab.layout import HostLayout
from lab.virsh import active, exists, virsh

log = logging.getLogger("lab")

IMAGE_POOL = "images"
IMAGE_VOLUME = "tiny.qcow2"


class HostStorage:
    """The pools of one host."""

    def __init__(self, layout: HostLayout):
        self._layout = layout

    @property
    def image_path(self) -> Path:
        """The path of the guest image's volume."""
        return self._layout.pools[IMAGE_POOL] / IMAGE_VOLUME

    @property
    def image_recipe(self) -> str | None:
        """The recipe of the guest image that is there, None if none is."""
        return self._recipe_note.read_text() if self._recipe_note.exists() and self.image_path.exists() else None

    def start(self) -> None:
        """Make both pools active, and start with libvirtd from now on."""
        uri = self._layout.uri
        for name, folder in self._layout.pools.items():
            folder.mkdir(exist_ok=True)
            if not exists(uri, "pool", name):
                virsh(uri, "pool-define-as", name, "dir", "--target", folder)
                virsh(uri, "pool-autostart", name)
            if not active(uri, "pool", name):
                virsh(uri, "pool-start", name)

    def put_image(self, image: Image) -> None:
        """Copy the guest image into its pool. One that is there stays: disks of guests may lie on it."""
        if self.image_recipe == image.recipe:
            return
        if self.image_recipe:
            log.info("%s keeps an older guest image; to renew it: lab down, lab up", self._layout.name)
            return
        unfinished = self.image_path.with_suffix(".part")
        shutil.copyfile(image.qcow2, unfinished)
        unfinished.chmod(0o644)
        unfinished.replace(self.image_path)
        self._recipe_note.write_text(image.recipe)
        virsh(self._layout.uri, "pool-refresh", IMAGE_POOL)

    @property
    def _recipe_note(self) -> Path:
        return self._layout.folder / "image-recipe"
