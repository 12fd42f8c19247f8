# SPDX-License-Identifier: GPL-3.0-or-later
"""VMs on the lab's host, as the actions' tests want them."""

import time
from collections.abc import Callable, Container, Iterator
from contextlib import contextmanager
from typing import Any

from ansible_collections.hostler.libvirt.plugins.module_utils.actions import create
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.ensure import new_record
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.observe import observe
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.machine import ObservedMachine
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.desired import Desired
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.step import Plan
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.surroundings import Placement
from ansible_collections.hostler.libvirt.plugins.module_utils.spec import spec_from
from lab.host import Host

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIK0wmN/Cr3JXqmLW7u+g9pTh+wyqDHpSQEIQczXkVx9q tests"
SMALL = {"cpu_cores": 1, "memory_mb": 128, "disk_gb": 0.125}
SEED = {"hostname": "seeded", "ssh_authorized_keys": [KEY], "user_data": "#cloud-config\n{}\n"}


def desired(host: Host, name: str, state: str = "present", **spec: Any) -> Desired:
    """A small VM with a blank disk; ``image="tiny.qcow2"`` makes it one that boots."""
    placement = Placement(image_pool="images", virt_type=host.virt_type)
    return Desired({"name": name, **SMALL, **spec}, state=state, placement=placement)


def planned(hypervisor: Hypervisor, wanted: Desired) -> Plan:
    """The plan that creates it."""
    spec = spec_from(wanted.spec)
    record = new_record(wanted, spec)
    return create.plan_for(hypervisor, spec, wanted.placement, record, start=wanted.state == "running")


def made(hypervisor: Hypervisor, wanted: Desired) -> ObservedMachine:
    """The VM, created."""
    return create.create(hypervisor, planned(hypervisor, wanted))


def named(hypervisor: Hypervisor, name: str) -> ObservedMachine:
    """The VM of that name as it is now."""
    domain = hypervisor.find_domain_named(name)
    assert domain is not None
    return observe(hypervisor, domain)


def everything_on(hypervisor: Hypervisor) -> tuple[set[str], set[str]]:
    """Names of the domains and paths of the volumes of a host: what a test may not change."""
    volumes = set()
    for pool in hypervisor.pools():
        pool.refresh()
        volumes |= {volume.path for volume in pool.volumes()}
    return {domain.name for domain in hypervisor.domains()}, volumes


@contextmanager
def swept(uri: str) -> Iterator[None]:
    """Remove, after the block, every domain and every volume that was not on the host before it."""
    with Hypervisor.open(uri) as hypervisor:
        domains = {domain.uuid for domain in hypervisor.domains()}
        volumes = {volume.path for pool in hypervisor.pools() for volume in pool.volumes()}
    try:
        yield
    finally:
        _sweep(uri, domains, volumes)


def _sweep(uri: str, domains: Container[str], volumes: Container[str]) -> None:
    with Hypervisor.open(uri) as hypervisor:  # another one: the block may have killed the host's libvirtd
        for domain in hypervisor.domains():
            if domain.uuid not in domains:
                if domain.is_active():
                    domain.destroy()
                if hypervisor.find_domain(domain.uuid):
                    domain.undefine()
        for pool in hypervisor.pools():
            for volume in pool.volumes():
                if volume.path not in volumes:
                    volume.delete()


def wait_until(happened: Callable[[], bool], what: str, timeout: float = 90, look_every: float = 0.1) -> None:
    """Wait until ``happened`` answers true; fail with ``what`` if it does not within ``timeout`` seconds."""
    deadline = time.monotonic() + timeout
    while not happened():
        assert time.monotonic() < deadline, f"not within {timeout:g} s: {what}"
        time.sleep(look_every)
