# SPDX-License-Identifier: GPL-3.0-or-later
"""An ``<interface>`` in all that it can be told to be, and changes of it in place.

`definition.Interface` has what a VM's overview needs; a `Nic` has what is asked of one card. A card is known by its
address, which libvirt sees to that each has.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple
from xml.etree.ElementTree import Element, SubElement

from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.definition import Interface
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.document import edited, parse, serialize
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.edit import plug_in
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.read import interface_of
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.write import interface_element

# libvirt keeps aliases that begin so; all others it gives itself, to devices of running domains
_OURS = "ua-"


@dataclass(frozen=True)
class Rate:
    """How much may go one way: ``average`` and ``peak`` in KiB a second, ``burst`` in KiB; 0 is no limit."""

    average: int = 0
    peak: int = 0
    burst: int = 0


@dataclass(frozen=True)
class Nic(Interface):
    """One ``<interface>``. ``inbound`` is what the guest gets, ``outbound`` what it sends."""

    alias: Optional[str] = None  # one that somebody gave it, without libvirt's mark of such
    link: str = "up"
    filter: Optional[str] = None
    inbound: Rate = Rate()
    outbound: Rate = Rate()

    def setting(self, name: str) -> Any:
        """The value of one of its settings; that of "connection" is what it is plugged into."""
        return (self.type, self.source) if name == "connection" else getattr(self, name)


def read_nics(xml: str) -> Tuple[Nic, ...]:
    """All of the domain's, in its order."""
    return tuple(_nic(element) for element in parse(xml).findall("devices/interface"))


def nic_element(nic: Nic, address: Optional[Element] = None) -> Element:
    """The ``<interface>`` of a new one, at ``address`` if that is given, else where libvirt likes."""
    element = interface_element(nic)
    for name in ("alias", "link", "filter", "inbound", "outbound"):
        _SETTERS[name](element, nic)
    if address is not None:
        element.append(address)
    return element


def with_nic(xml: str, nic: Nic, address: Optional[Element] = None) -> str:
    """``xml`` with one more card, after those that it has."""

    def change(domain: Element) -> None:
        devices = domain.find("devices")
        if devices is None:
            devices = SubElement(domain, "devices")
        cards = [index for index, child in enumerate(devices) if child.tag == "interface"]
        devices.insert(cards[-1] + 1 if cards else len(devices), nic_element(nic, address))

    return edited(xml, change)


def without_nic(xml: str, mac_address: str) -> str:
    """``xml`` without the card of that address."""

    def change(domain: Element) -> None:
        for devices in domain.findall("devices"):
            for element in _of(devices, mac_address):
                devices.remove(element)

    return edited(xml, change)


def with_nic_settings(xml: str, nic: Nic, names: Sequence[str]) -> str:
    """``xml`` whose card of that address has the settings ``names`` of ``nic``; the rest of it stays as it is."""

    def change(domain: Element) -> None:
        for devices in domain.findall("devices"):
            for element in _of(devices, nic.mac_address):
                for name in names:
                    _SETTERS[name](element, nic)

    return edited(xml, change)


def nic_xml(xml: str, mac_address: str) -> Optional[str]:
    """The ``<interface>`` of that address as the domain ``xml`` has it; None where it has none."""
    found: List[str] = []

    def change(domain: Element) -> None:
        for devices in domain.findall("devices"):
            found.extend(serialize(element) for element in _of(devices, mac_address))

    edited(xml, change)
    return found[0] if found else None


def nic_address(xml: str, mac_address: str) -> Optional[Element]:
    """The ``<address>`` of the card of that address: where the guest finds it on its bus."""
    for devices in parse(xml).findall("devices"):
        for element in _of(devices, mac_address):
            return element.find("address")
    return None


def _nic(element: Element) -> Nic:
    card = interface_of(element)
    alias, link, rules = (element.find(name) for name in ("alias", "link", "filterref"))
    name = "" if alias is None else alias.get("name", "")
    given = {one.name: getattr(card, one.name) for one in dataclasses.fields(Interface)}
    return Nic(
        **{**given, "mac_address": None if card.mac_address is None else card.mac_address.lower()},
        alias=name[len(_OURS) :] if name.startswith(_OURS) else None,
        link="up" if link is None else link.get("state", "up"),
        filter=None if rules is None else rules.get("filter"),
        inbound=_rate(element.find("bandwidth/inbound")),
        outbound=_rate(element.find("bandwidth/outbound")),
    )


def _rate(element: Optional[Element]) -> Rate:
    if element is None:
        return Rate()
    return Rate(**{one.name: int(element.get(one.name, "0")) for one in dataclasses.fields(Rate)})


def _of(devices: Element, mac_address: Optional[str]) -> List[Element]:
    return [element for element in devices.findall("interface") if _mac_address(element) == mac_address]


def _mac_address(element: Element) -> Optional[str]:
    mac = element.find("mac")
    return None if mac is None else mac.get("address", "").lower()


def _connect(element: Element, nic: Nic) -> None:
    plug_in(element, Interface(nic.type, nic.source))


def _set_model(element: Element, nic: Nic) -> None:
    plug_in(element, dataclasses.replace(interface_of(element), mac_address=None, model=nic.model))


def _set_alias(element: Element, nic: Nic) -> None:
    _remove(element, "alias")
    if nic.alias is not None:
        SubElement(element, "alias", {"name": _OURS + nic.alias})


def _set_link(element: Element, nic: Nic) -> None:
    _remove(element, "link")
    if nic.link != "up":
        SubElement(element, "link", {"state": nic.link})


def _set_filter(element: Element, nic: Nic) -> None:
    rules = element.find("filterref")
    if rules is not None and rules.get("filter") != nic.filter:
        element.remove(rules)  # with its parameters, which are of that filter
        rules = None
    if rules is None and nic.filter is not None:
        SubElement(element, "filterref", {"filter": nic.filter})


def _set_rate(way: str) -> Callable[[Element, Nic], None]:
    def change(element: Element, nic: Nic) -> None:
        rate: Rate = getattr(nic, way)
        bandwidth = element.find("bandwidth")
        if bandwidth is None:
            if rate == Rate():
                return
            bandwidth = SubElement(element, "bandwidth")
        if rate == Rate():
            _remove(bandwidth, way)
        else:
            limit = bandwidth.find(way)
            limit = SubElement(bandwidth, way) if limit is None else limit
            for name, value in dataclasses.asdict(rate).items():
                limit.attrib.pop(name, None)
                if value:
                    limit.set(name, str(value))
        if len(bandwidth) == 0:
            element.remove(bandwidth)

    return change


def _remove(element: Element, path: str) -> None:
    for child in element.findall(path):
        element.remove(child)


_SETTERS: Dict[str, Callable[[Element, Nic], None]] = {
    "connection": _connect,
    "model": _set_model,
    "alias": _set_alias,
    "link": _set_link,
    "filter": _set_filter,
    "inbound": _set_rate("inbound"),
    "outbound": _set_rate("outbound"),
}
