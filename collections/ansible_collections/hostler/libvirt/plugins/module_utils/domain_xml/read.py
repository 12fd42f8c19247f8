# SPDX-License-Identifier: GPL-3.0-or-later
"""Domain XML, whoever wrote it, as a `DomainDefinition`."""

from __future__ import annotations

from typing import Optional
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
    uuid = domain.findtext("uuid", "").lower()
    os_type = domain.find("os/type")
    maximum = domain.find("maxMemory")
    agent = domain.find(f"devices/channel/target[@name='{_GUEST_AGENT}']")
    return DomainDefinition(
        name=domain.findtext("name", ""),
        uuid=uuid,
        type=domain.get("type", ""),
        # those that the guest boots with; the text is how many it may have plugged
        vcpus=int(_attribute(domain, "vcpu", "current") or domain.findtext("vcpu") or "1"),
        memory_kib=kib_of(domain.find("memory")),
        machine=None if os_type is None else os_type.get("machine"),
        architecture="x86_64" if os_type is None else os_type.get("arch", "x86_64"),
        firmware=_firmware(domain),
        secure_boot=_attribute(domain, "os/loader", "secure") == "yes",
        nvram=(domain.findtext("os/nvram") or "").strip() or None,
        nvram_format=_attribute(domain, "os/nvram", "format"),
        tpm=domain.find("devices/tpm") is not None,
        max_vcpus=int(domain.findtext("vcpu") or "1") if _attribute(domain, "vcpu", "current") else None,
        max_memory_kib=None if maximum is None else kib_of(maximum),
        memory_slots=0 if maximum is None else int(maximum.get("slots", "0")),
        memory_modules=len(domain.findall("devices/memory")),
        further_numa_cells=max(len(domain.findall("cpu/numa/cell")) - 1, 0),
        cpu_mode=_attribute(domain, "cpu", "mode"),
        clock=_attribute(domain, "clock", "offset") or "utc",
        disks=tuple(disk_of(element) for element in domain.findall("devices/disk")),
        interfaces=tuple(interface_of(element) for element in domain.findall("devices/interface")),
        graphics=tuple(_graphics(element) for element in domain.findall("devices/graphics")),
        controllers=tuple(
            Controller(element.get("type", ""), element.get("model"))
            for element in domain.findall("devices/controller")
        ),
        video=_attribute(domain, "devices/video/model", "type"),
        tablet=domain.find("devices/input[@type='tablet']") is not None,
        guest_agent=agent is not None,
        guest_agent_connected=agent is not None and agent.get("state") == "connected",
        serial_console=domain.find("devices/serial") is not None,
        rng=domain.find("devices/rng") is not None,
        memory_balloon=_attribute(domain, "devices/memballoon", "model") not in (None, "none"),
        record=record_of(find_record(domain), uuid),
    )


def kib_of(element: Optional[Element]) -> int:
    """The KiB that an element like ``<memory>`` says; 0 where there is none."""
    if element is None or not element.text:
        return 0
    return int(int(element.text) * _KIB_PER_UNIT[element.get("unit", "KiB")])


def _firmware(domain: Element) -> str:
    loader = domain.find("os/loader")
    if _attribute(domain, "os", "firmware") == "efi" or (loader is not None and loader.get("type") == "pflash"):
        return "uefi"
    return "bios"


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
        backing_paths=tuple(
            path
            for backing in element.iterfind(".//backingStore/source")
            for path in (backing.get("file") or backing.get("dev"),)
            if path
        ),
    )


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
