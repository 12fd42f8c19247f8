# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the service knows what is true: each host against its rows, VM by VM, and the events against both."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

import httpx
import libvirt

from chaos.listener import Heard
from hostler.paging import LARGEST_PAGE

_STATUS = {
    libvirt.VIR_DOMAIN_RUNNING: "running",
    libvirt.VIR_DOMAIN_PAUSED: "paused",
    libvirt.VIR_DOMAIN_SHUTOFF: "stopped",
    libvirt.VIR_DOMAIN_CRASHED: "crashed",
}
_CHANGING = ("updated_at",)

Vm = dict[str, Any]


class Node(Protocol):
    """As much of a host as is asked for."""

    @property
    def name(self) -> str:
        """What it is called."""

    @property
    def uri(self) -> str:
        """How libvirt reaches it."""


def differences(host: Node, shown: Sequence[Vm]) -> list[str]:
    """In what the VMs that the API shows on a host differ from its domains."""
    there = _domains(host)
    known = {vm["uuid"]: vm for vm in shown}
    # a VM that others removed stays, as an error, until somebody says that it is to go
    gone = {uuid for uuid, vm in known.items() if vm["status"] == "error" and uuid not in there}
    found = [f"{host.name}: {known[uuid]['name']} is shown, and is not there" for uuid in known.keys() - there - gone]
    for uuid, truth in there.items():
        if uuid not in known:
            found.append(f"{host.name}: {truth['name']} is there, and is not shown")
            continue
        says = _said(known[uuid])
        found += [
            f"{host.name}: {truth['name']}: {name} is {truth[name]!r}, and shown as {says[name]!r}"
            for name in truth
            if truth[name] != says[name]
        ]
    return found


def _domains(host: Node) -> dict[str, Vm]:
    with contextlib.closing(libvirt.open(host.uri)) as connection:
        return {domain.UUIDString(): _truth(domain) for domain in connection.listAllDomains()}


def _truth(domain: libvirt.virDomain) -> Vm:
    state, reason = domain.state()
    status = _STATUS[state]
    if status == "stopped" and reason == libvirt.VIR_DOMAIN_SHUTOFF_CRASHED:
        status = "crashed"
    if domain.hasManagedSaveImage():
        status = "saved"
    return {
        "name": domain.name(),
        "status": status,
        "memory_mb": domain.maxMemory() // 1024,
        "autostart": bool(domain.autostart()),
    }


def _said(vm: Vm) -> Vm:
    return {
        "name": vm["name"],
        "status": vm["status"],
        "memory_mb": vm["resources"]["memory_mb"],
        "autostart": vm["autostart"],
    }


def stray_disks(host: Node, prefix: str) -> list[str]:
    """Volumes of ours that no domain has."""
    with contextlib.closing(libvirt.open(host.uri)) as connection:
        used = "".join(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE) for domain in connection.listAllDomains())
        pool = connection.storagePoolLookupByName("default")
        pool.refresh()
        volumes = {volume.name(): volume.path() for volume in pool.listAllVolumes()}
    return [
        f"{host.name}: volume {name} is left"
        for name, path in volumes.items()
        if name.startswith(prefix) and path not in used
    ]


def all_vms(client: httpx.Client) -> list[Vm]:
    """All VMs, as the API shows them."""
    return [vm for page in _pages(client) for vm in page]


def _pages(client: httpx.Client) -> Iterator[list[Vm]]:
    after = 0
    while True:
        answer = client.get("/api/vms", params={"after_id": after, "per_page": LARGEST_PAGE})
        answer.raise_for_status()
        page: list[Vm] = answer.json()["vms"]
        if not page:
            return
        yield page
        after = page[-1]["id"]


def wrong_events(heard: Sequence[Heard], written: Sequence[int], shown: Sequence[Vm]) -> list[str]:
    """What is wrong with the events that somebody heard; ``written`` are the ids that the database has."""
    ids = [one.id for one in heard]
    found = [f"event {number} came twice" for number in sorted({one for one in ids if ids.count(one) > 1})]
    found += [f"event {number} was lost" for number in sorted(set(written) - set(ids))]
    found += [f"event {number} was never written" for number in sorted(set(ids) - set(written))]
    if ids != sorted(ids):
        found.append("events came in another order than that of their ids")
    last: dict[int, Heard] = {}
    for one in heard:
        if not one.kind.startswith("vm."):
            continue
        number = one.data["id"]
        before = last.get(number)
        if one.kind == "vm.created" and before is not None:
            found.append(f"VM {number} was created twice: event {one.id}")
        elif one.kind != "vm.created" and (before is None or before.kind == "vm.deleted"):
            found.append(f"VM {number} {one.kind}, and is not there: event {one.id}")
        elif before is not None and one.kind == "vm.changed" and _shown(before.data) == _shown(one.data):
            found.append(f"VM {number} has not changed: events {before.id} and {one.id} say the same")
        last[number] = one
    there = {number: one.data for number, one in last.items() if one.kind != "vm.deleted"}
    for vm in shown:
        if vm["id"] not in there:
            found.append(f"VM {vm['id']} is there, and no event says so")
        elif _shown(there.pop(vm["id"])) != _shown(vm):
            found.append(f"VM {vm['id']} is not what its last event says")
    return found + [f"VM {number} is gone, and no event says so" for number in there]


def _shown(vm: Mapping[str, Any]) -> Vm:
    return {name: value for name, value in vm.items() if name not in _CHANGING}
