# SPDX-License-Identifier: GPL-3.0-or-later
"""What a domain needs of the host that it is on, as its XML says it, beside its disks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Iterable, Iterator, Optional, Sequence, Tuple
from xml.etree.ElementTree import Element

from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.document import parse, serialize

# devices of the host's own, or a part of its file system. An interface of type hostdev is a network card of the host's
_HOST_DEVICES = ("devices/hostdev", "devices/interface[@type='hostdev']", "devices/filesystem", "devices/shmem")
_BOOT_FILES = ("kernel", "initrd", "dtb", "slic")


@dataclass(frozen=True)
class Needs:
    """Names and paths, each once, in the order of the XML. ``cpu`` is the ``<cpu>`` element."""

    emulator: Optional[str] = None
    loader: Optional[str] = None
    cpu: Optional[str] = None
    cpu_mode: Optional[str] = None
    networks: Tuple[str, ...] = ()
    interfaces: Tuple[str, ...] = ()  # bridges, and cards of the host that cards of the guest are plugged into
    filters: Tuple[str, ...] = ()
    mac_addresses: Tuple[str, ...] = ()
    files: Tuple[str, ...] = ()  # that QEMU boots from, beside its disks
    host_devices: Tuple[str, ...] = ()  # in words, for people
    pools: Tuple[str, ...] = ()  # that disks name
    tpm: bool = False


def read_needs(xml: str) -> Needs:
    """What ``xml`` needs."""
    domain = parse(xml)
    cpu = domain.find("cpu")
    loader = domain.find("os/loader")
    cards = domain.findall("devices/interface")
    return Needs(
        emulator=domain.findtext("devices/emulator"),
        loader=None if loader is None else loader.text,
        cpu=None if cpu is None else serialize(cpu),
        cpu_mode=None if cpu is None else cpu.get("mode", "custom"),
        networks=_once(_sources(cards, "network", "network")),
        interfaces=_once((*_sources(cards, "bridge", "bridge"), *_sources(cards, "direct", "dev"))),
        filters=_once(one.get("filter") for card in cards for one in card.findall("filterref")),
        mac_addresses=_once((one.get("address") or "").lower() for card in cards for one in card.findall("mac")),
        files=_once(domain.findtext(f"os/{name}") for name in _BOOT_FILES),
        host_devices=_once(_words(device) for path in _HOST_DEVICES for device in domain.findall(path)),
        pools=_once(one.get("pool") for one in domain.findall("devices/disk/source")),
        tpm=domain.find("devices/tpm") is not None,
    )


def _sources(cards: Sequence[Element], kind: str, attribute: str) -> Iterator[Optional[str]]:
    for card in cards:
        source = card.find("source")
        if card.get("type") == kind and source is not None:
            yield source.get(attribute)


def _words(device: Element) -> str:
    kind = device.get("type")
    what = {"hostdev": "device", "interface": "network card", "filesystem": "folder", "shmem": "memory"}[device.tag]
    return f"{what} of its host ({kind})" if kind else f"{what} of its host"


def _once(found: Iterable[Optional[str]]) -> Tuple[str, ...]:
    return tuple(dict.fromkeys(one for one in found if one))
