# SPDX-License-Identifier: GPL-3.0-or-later
"""Domain XML, whoever wrote it, as a `DomainDefinition`."""

from __future__ import annotations

from collections import defaultdict
from typing import Any, Dict, Iterator, List, Optional, Sequence
from xml.etree.ElementTree import Element

from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.definition import (
    Controller,
    Disk,
    DomainDefinition,
    Graphics,
    Interface,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.document import parse
from ansible_collections.hostler.libvirt.plugins.module_utils.identity import find_record, record_of

# https://libvirt.org/formatdomain.html#memory-allocation: powers of 1024 unless the unit ends in B alone
_KIB_PER_UNIT = {
    "b": 1 / 1024,
    "bytes": 1 / 1024,
    "KB": 1000 / 1024,
    "k": 1,
    "KiB": 1,
    "MB": 1000**2 / 1024,
    "M": 1024,
    "MiB": 1024,
    "GB": 1000**3 / 1024,
    "G": 1024**2,
    "GiB": 1024**2,
    "TB": 1000**4 / 1024,
    "T": 1024**3,
    "TiB": 1024**3,
}

_GUEST_AGENT = "org.qemu.guest_agent.0"


def read_domain(xml: str) -> DomainDefinition:
    """What ``xml`` defines; ``xml`` is libvirt's own answer, so a name, a UUID and sizes are there."""
    return definition_of(parse(xml))


def definition_of(domain: Element) -> DomainDefinition:
    """What the ``<domain>`` element defines."""
    # a host has thousands of them, and a path with a slash takes ElementTree ten times as long as a name
    uuid = domain.findtext("uuid", "").lower()
    os = domain.find("os")
    os_type = None if os is None else os.find("type")
    vcpu = domain.find("vcpu")
    vcpus = 1 if vcpu is None else int(vcpu.text or "1")
    # those that the guest boots with; the text is how many it may have plugged
    current = None if vcpu is None else vcpu.get("current")
    memory_kib = kib_of(domain.find("memory"))
    current_kib = kib_of(domain.find("currentMemory"))
    maximum = domain.find("maxMemory")
    cpu = domain.find("cpu")
    devices = _by_tag(domain.find("devices"))
    balloon = any(element.get("model") not in (None, "none") for element in devices["memballoon"][:1])
    agent = next((target for target in _targets(devices["channel"]) if target.get("name") == _GUEST_AGENT), None)
    return DomainDefinition(
        name=domain.findtext("name", ""),
        uuid=uuid,
        type=domain.get("type", ""),
        vcpus=int(current) if current else vcpus,
        memory_kib=memory_kib,
        machine=None if os_type is None else os_type.get("machine"),
        architecture="x86_64" if os_type is None else os_type.get("arch", "x86_64"),
        tpm=bool(devices["tpm"]),
        max_vcpus=vcpus if current else None,
        max_memory_kib=None if maximum is None else kib_of(maximum),
        memory_slots=0 if maximum is None else int(maximum.get("slots", "0")),
        memory_modules=len(devices["memory"]),
        further_numa_cells=0 if cpu is None else max(len(cpu.findall("numa/cell")) - 1, 0),
        cpu_mode=None if cpu is None else cpu.get("mode"),
        clock=_attribute(domain, "clock", "offset") or "utc",
        disks=tuple(disk_of(element) for element in devices["disk"]),
        interfaces=tuple(interface_of(element) for element in devices["interface"]),
        graphics=tuple(_graphics(element) for element in devices["graphics"]),
        controllers=tuple(Controller(one.get("type", ""), one.get("model")) for one in devices["controller"]),
        video=next((_attribute(element, "model", "type") for element in devices["video"]), None),
        tablet=any(element.get("type") == "tablet" for element in devices["input"]),
        guest_agent=agent is not None,
        guest_agent_connected=agent is not None and agent.get("state") == "connected",
        serial_console=bool(devices["serial"]),
        rng=bool(devices["rng"]),
        memory_balloon=balloon,
        # without a balloon it boots with all, whatever that element says
        current_memory_kib=current_kib if balloon and 0 < current_kib < memory_kib else None,
        record=record_of(find_record(domain), uuid),
        **_firmware(os),
    )


def _by_tag(devices: Optional[Element]) -> Dict[str, List[Element]]:
    found: Dict[str, List[Element]] = defaultdict(list)
    for element in () if devices is None else devices:
        found[element.tag].append(element)
    return found


def _targets(channels: Sequence[Element]) -> Iterator[Element]:
    for channel in channels:
        target = channel.find("target")
        if target is not None:
            yield target


def _firmware(os: Optional[Element]) -> Dict[str, Any]:
    """The fields of a definition that are about the firmware and what it keeps."""
    if os is None:
        return {}
    loader, nvram = os.find("loader"), os.find("nvram")
    uefi = os.get("firmware") == "efi" or (loader is not None and loader.get("type") == "pflash")
    return {
        "firmware": "uefi" if uefi else "bios",
        "secure_boot": loader is not None and loader.get("secure") == "yes",
        "nvram": None if nvram is None else _place_of(nvram),
        "nvram_format": None if nvram is None else nvram.get("format"),
    }


def _place_of(nvram: Element) -> Optional[str]:
    text, source = (nvram.text or "").strip(), nvram.find("source")
    if text or source is None:
        return text or None
    return source.get("file") or source.get("dev") or source.get("name") or source.get("volume")


def kib_of(element: Optional[Element]) -> int:
    """The KiB that an element like ``<memory>`` says; 0 where there is none."""
    if element is None or not element.text:
        return 0
    return int(int(element.text) * _KIB_PER_UNIT[element.get("unit", "KiB")])


def disk_of(element: Element) -> Disk:
    """What the ``<disk>`` says."""
    source = element.find("source")
    driver = element.find("driver")
    return Disk(
        device=element.get("device", "disk"),
        target=_attribute(element, "target", "dev") or "",
        bus=_attribute(element, "target", "bus"),
        path=None if source is None else source.get("file") or source.get("dev"),
        format=None if driver is None else driver.get("type"),
        pool=None if source is None else source.get("pool"),
        volume=None if source is None else source.get("volume"),
        read_only=element.find("readonly") is not None,
        shareable=element.find("shareable") is not None,
        discard=None if driver is None else driver.get("discard"),
        backing_paths=() if element.find("backingStore") is None else tuple(_backing_paths(element)),
        encrypted=element.find("encryption") is not None or element.find("source/encryption") is not None,
    )


def _backing_paths(element: Element) -> Iterator[str]:
    for backing in element.iterfind(".//backingStore/source"):
        path = backing.get("file") or backing.get("dev")
        if path:
            yield path


def interface_of(element: Element) -> Interface:
    """What the ``<interface>`` says."""
    source = element.find("source")
    kind = element.get("type", "")
    return Interface(
        type=kind,
        source=None if source is None else source.get(kind) or source.get("dev"),
        mac_address=_attribute(element, "mac", "address"),
        model=_attribute(element, "model", "type"),
    )


def _graphics(element: Element) -> Graphics:
    port = element.get("port")
    return Graphics(
        type=element.get("type", ""),
        port=int(port) if port is not None and port.isdigit() else None,
        listen=element.get("listen") or _attribute(element, "listen", "address"),
        websocket=element.get("websocket") is not None,
        keymap=element.get("keymap"),
        password=element.get("passwd"),
    )


def _attribute(element: Element, path: str, name: str) -> Optional[str]:
    found = element.find(path)
    return None if found is None else found.get(name)
