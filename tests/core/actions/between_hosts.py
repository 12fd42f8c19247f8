# SPDX-License-Identifier: GPL-3.0-or-later
"""Two real hosts, and VMs that are moved between them."""

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.ensure_migration import ensure_migration
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import HostlerError
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.agent import ask_agent
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.machine import ObservedMachine
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.migration_wish import MigrationWish
from ansible_collections.hostler.libvirt.plugins.module_utils.selection import OneMachine
from lab.host import Host
from tests.core.actions.guests import desired, made, swept, wait_until

BOOT = "/proc/sys/kernel/random/boot_id"


@dataclasses.dataclass
class Pair:
    """Two hosts and a connection to each; `again` opens new ones, after a libvirtd was killed."""

    hosts: list[Host]
    here: Hypervisor
    there: Hypervisor

    def again(self) -> None:
        self.close()
        self.here, self.there = (Hypervisor.open(host.uri) for host in self.hosts)

    def close(self) -> None:
        self.here.close()
        self.there.close()

    def make(self, name: str, pool: str, state: str = "running", **spec: Any) -> ObservedMachine:
        """A VM on the first host, that boots where it has an image."""
        wanted = desired(self.hosts[0], name, state, **spec)
        return made(self.here, dataclasses.replace(wanted, placement=dataclasses.replace(wanted.placement, pool=pool)))

    def move(self, name: str, back: bool = False, check: bool = False, **wish: Any) -> dict[str, Any]:
        source, destination = (self.there, self.here) if back else (self.here, self.there)
        return ensure_migration(source, destination, OneMachine(name), MigrationWish(**wish), destination.uri, check)

    def names(self) -> tuple[set[str], set[str]]:
        """The VMs of each host."""
        return {one.name for one in self.here.domains()}, {one.name for one in self.there.domains()}

    def files(self, pool: str = "local") -> tuple[set[str], set[str]]:
        """The volumes that each host has in a pool."""
        found = []
        for host in (self.here, self.there):
            host.pool(pool).refresh()
            found.append(set(host.pool(pool).volume_names()))
        return found[0], found[1]


@contextmanager
def between(hosts: list[Host]) -> Iterator[Pair]:
    """Both hosts; nothing that the block makes stays on them."""
    with swept(hosts[0].uri), swept(hosts[1].uri):
        pair = Pair(hosts, Hypervisor.open(hosts[0].uri), Hypervisor.open(hosts[1].uri))
        yield pair
        pair.close()
    for host in hosts:
        _forget_variables(host)


def _forget_variables(host: Host) -> None:
    """Delete UEFI variables of VMs that have left: libvirt keeps them, and has no call that deletes them."""
    there = set(host.virsh("list", "--all", "--name").split())
    for file in (host.layout.folder / "lib" / "qemu" / "nvram").glob("*_VARS.fd"):
        if file.name.removesuffix("_VARS.fd") not in there:
            file.unlink()


def boot_of(hypervisor: Hypervisor, name: str) -> str:
    """The name that the guest's kernel has given to this boot, when its agent answers."""
    domain = hypervisor.find_domain_named(name)
    assert domain is not None

    def answers() -> bool:
        try:
            ask_agent(domain, "guest-ping")
        except HostlerError:
            return False
        return True

    wait_until(answers, "the agent answers")
    handle = ask_agent(domain, "guest-file-open", {"path": BOOT})
    content = ask_agent(domain, "guest-file-read", {"handle": handle, "count": 100})
    ask_agent(domain, "guest-file-close", {"handle": handle})
    return str(content["buf-b64"])


def said(answer: dict[str, Any]) -> dict[str, Any]:
    """What check mode and a run have to agree on."""
    return {key: answer[key] for key in ("changed", "diff", "plan", "left", "deleted_disks")}
