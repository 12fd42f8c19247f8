# SPDX-License-Identifier: GPL-3.0-or-later
"""Pools on the lab's host that tests make, and what can be sick about one."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.storage_pools import StoragePools
from lab.host import Host


@contextmanager
def pools_swept(uri: str) -> Iterator[None]:
    """Take away, after the block, every pool that was not on the host before it; their folders stay."""
    with Hypervisor.open(uri) as hypervisor:
        before = StoragePools(hypervisor).names()
    try:
        yield
    finally:
        with Hypervisor.open(uri) as hypervisor:
            pools = StoragePools(hypervisor)
            for name in pools.names():
                pool = None if name in before else pools.find(name)
                if pool is not None and pool.is_active():
                    pool.stop()
                    pool = pools.find(name)  # one that only was active is gone
                if pool is not None:
                    pool.undefine()


@contextmanager
def hanging(host: Host, folder: Path) -> Iterator[None]:
    """Have whoever of the host looks into ``folder`` wait until the block is left, as with a server that is gone.

    It is a file system whose server never says a word (fuse(4)); root's hosts only.
    """
    (libvirtd,) = [process.pid for process in host.processes() if process.program == "libvirtd"]
    inside = ["nsenter", "--target", str(libvirtd), "--mount"]
    server = os.open("/dev/fuse", os.O_RDWR)
    try:
        options = f"fd={server},rootmode=40000,user_id=0,group_id=0"
        mount = [*inside, "mount", "-i", "-t", "fuse", "-o", options, "hanging", str(folder)]
        subprocess.run(mount, pass_fds=[server], check=True)
        yield
    finally:
        os.close(server)  # whoever waits is told that nobody is there
        # without its server it may have gone by itself
        subprocess.run([*inside, "umount", "--lazy", str(folder)], stderr=subprocess.DEVNULL, check=False)
