# SPDX-License-Identifier: GPL-3.0-or-later
"""The storage pools of a host as things that are defined, started and taken away."""

from __future__ import annotations

from typing import List, Optional

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import PoolNotFound
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.failure import translated
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.library import libvirt
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.pool import Pool
from ansible_collections.hostler.libvirt.plugins.module_utils.storage_pool import ObservedPool, PoolFill
from ansible_collections.hostler.libvirt.plugins.module_utils.storage_xml.pool import read_pool


class StoragePool(Pool):
    """One storage pool, active or not."""

    def observe(self) -> ObservedPool:
        """What it is. Raises `PoolNotFound` if it goes away meanwhile."""
        with translated("read the storage pool"):
            active = bool(self._handle.isActive())
            xml = str(self._handle.XMLDesc(0))
            defined = xml
            if active and not self._is_of_test_driver:
                defined = str(self._handle.XMLDesc(libvirt.VIR_STORAGE_XML_INACTIVE))
            info = self._handle.info() if active else None
            return ObservedPool(
                definition=read_pool(defined),
                xml=defined,
                running=read_pool(xml) if active else None,
                persistent=bool(self._handle.isPersistent()),
                autostart=bool(self._handle.autostart()),
                fill=None if info is None else PoolFill(int(info[1]), int(info[2]), int(info[3])),
            )

    @property
    def _is_of_test_driver(self) -> bool:
        return str(self._connection.getType()).lower() == "test"  # which knows no such flag

    def set_autostart(self, autostart: bool) -> None:
        """Have it start with the host, or not."""
        with translated("set whether the storage pool starts with the host"):
            self._handle.setAutostart(int(autostart))

    def build(self, mode: str) -> None:
        """Make what it lies in: its folder; with ``mode`` new what lies on its devices, too, if they are empty.

        With overwrite whatever is on the devices is lost.
        """
        flags = {
            "folder": 0,
            "new": libvirt.VIR_STORAGE_POOL_BUILD_NO_OVERWRITE,
            "overwrite": libvirt.VIR_STORAGE_POOL_BUILD_OVERWRITE,
        }[mode]
        with translated("make what the storage pool lies in"):
            self._handle.build(flags)

    def start(self) -> None:
        """Have its volumes be reached."""
        with translated("start the storage pool"):
            self._handle.create(0)

    def stop(self) -> None:
        """Have its volumes no longer be reached. One that is not persistent is gone then."""
        with translated("stop the storage pool"):
            self._handle.destroy()

    def delete_emptied(self) -> None:
        """Take away what it lay in: an empty folder, a volume group."""
        with translated("take away what the storage pool lay in"):
            self._handle.delete(libvirt.VIR_STORAGE_POOL_DELETE_NORMAL)

    def undefine(self) -> None:
        """Have libvirt know it no longer; it must be inactive."""
        with translated("undefine the storage pool"):
            self._handle.undefine()

    def unnamed_volumes(self) -> int:
        """How many volumes it has whose names are no text."""
        with translated("list the volumes"):
            return len(self._handle.listAllVolumes(0)) - len(self.volume_names())


class StoragePools:
    """All storage pools of a host."""

    def __init__(self, hypervisor: Hypervisor) -> None:
        self._connection = hypervisor.handle

    def names(self) -> List[str]:
        """Their names, in order."""
        with translated("list the storage pools"):
            return sorted(pool.name() for pool in self._connection.listAllStoragePools(0))

    def find(self, name: str) -> Optional[StoragePool]:
        """The one of that name, None where there is none."""
        try:
            return self.get(name)
        except PoolNotFound:
            return None

    def get(self, name: str) -> StoragePool:
        """The one of that name; raises `PoolNotFound`."""
        with translated("find the storage pool"):
            return StoragePool(self._connection, self._connection.storagePoolLookupByName(name))

    def define(self, xml: str, checked: bool) -> None:
        """Define a pool, or replace the definition of the one with its name; ``checked`` against libvirt's schema."""
        # since libvirt 8.0
        flags = getattr(libvirt, "VIR_STORAGE_POOL_DEFINE_VALIDATE", 0) if checked else 0
        with translated("define the storage pool"):
            self._connection.storagePoolDefineXML(xml, flags)
