# SPDX-License-Identifier: GPL-3.0-or-later
"""One image on its way into a pool, in the thread of its host."""

from __future__ import annotations

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.image_upload import (
    NewImage,
    Unfinished,
    Uploaded,
    write_marked,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.images import unmark
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import HostUnreachable
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from hostler.images.conveyor import Conveyor


class Writing:
    """Writes an image; whether it has left its mark on the host is known afterwards."""

    def __init__(self, pool: str, image: NewImage, conveyor: Conveyor) -> None:
        self.pool = pool
        self.image = image
        self.conveyor = conveyor
        self.leaves_mark = False

    def write(self, hypervisor: Hypervisor) -> Uploaded:
        """Write it; raises what `write_marked` does.

        Once all of it is there it is done: where the host is lost at the very last step, nobody can tell whether that
        was taken, and the mark, if it stays, is removed later.
        """
        self.leaves_mark = True
        try:
            uploaded = write_marked(hypervisor, self.pool, self.image, self.conveyor)
        except (HostUnreachable, Unfinished):
            raise
        except BaseException:
            self.leaves_mark = False
            raise
        try:
            unmark(hypervisor, self.pool, self.image.name)
        except HostUnreachable:
            return uploaded
        self.leaves_mark = False
        return uploaded
