# SPDX-License-Identifier: GPL-3.0-or-later
"""Network XML that a user brings: checked, made a certain network's, and known again.

As with domains, libvirt writes a definition otherwise than it was given. Whether a network is still what some XML made
it is told by two fingerprints, of the XML and of what libvirt made of it, which stand in the network's ``<metadata>``.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Optional
from xml.etree.ElementTree import Element

from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.document import edited, parse, serialize
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.given import given_element, without_space
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.metadata import mark, prefixed
from ansible_collections.hostler.libvirt.plugins.module_utils.network_entries import OWN_MODES
from ansible_collections.hostler.libvirt.plugins.module_utils.network_xml.read import read_forward

NAMESPACE = "urn:hostler:network:1"
PREFIX = "hostler-network"

# what libvirt chose for the network, and keeps for as long as its definition says so
_KEPT = ("uuid", "bridge", "mac")


@dataclass(frozen=True)
class GivenNetwork:
    """A ``<network>`` that can be read; whether libvirt takes it is libvirt's to say."""

    xml: str = field(repr=False)
    name: str
    uuid: Optional[str] = None

    @property
    def fingerprint(self) -> str:
        """Of all of it."""
        return _digest(self.xml)


def given_network(text: str) -> GivenNetwork:
    """The network that ``text`` describes; raises `InvalidSpec` for what describes none."""
    xml, name, uuid = given_element(text, "network")
    return GivenNetwork(edited(xml, _unmark), name, uuid)


def adopted_network(given: GivenNetwork, present: Optional[str]) -> str:
    """The XML as that of the network that ``present`` defines: with the UUID, bridge and MAC it leaves open."""

    def change(root: Element) -> None:
        old = None if present is None else parse(present)
        # libvirt gives a MAC to what has a bridge of its own, and refuses one of others
        own = read_forward(root)["mode"] in OWN_MODES
        for tag in reversed(_KEPT):
            kept = None if old is None else old.find(tag)
            if kept is None or not (tag == "uuid" or own):
                continue
            element = root.find(tag)
            if element is None:
                names = [index for index, child in enumerate(root) if child.tag == "name"]
                root.insert(names[0] + 1, kept)
            elif tag == "bridge" and not element.get("name"):
                element.set("name", kept.get("name", ""))

    return edited(given.xml, change)


def marked(xml: str, given: str, defined: str) -> str:
    """``xml`` with both fingerprints."""
    element = Element("given", {"xml": given, "defined": defined})
    return edited(xml, lambda root: mark(root, NAMESPACE, prefixed(serialize(element), PREFIX, NAMESPACE)))


def is_as_given(defined: str, given: GivenNetwork) -> bool:
    """Whether the definition is what that XML made it, and nobody has changed it since."""
    element = parse(defined).find(f"metadata/{{{NAMESPACE}}}given")
    if element is None:
        return False
    return (element.get("xml"), element.get("defined")) == (given.fingerprint, network_fingerprint(defined))


def network_fingerprint(xml: str) -> str:
    """That of a definition as libvirt writes it, the same with and without our mark."""
    return _digest(persistent_xml(xml))


def same_network(running: str, defined: str) -> bool:
    """Whether a network runs as it is defined, as far as libvirt's own XML of both says."""
    return _digest(edited(persistent_xml(running), _without_ports)) == _digest(
        edited(persistent_xml(defined), _without_ports)
    )


def persistent_xml(xml: str) -> str:
    """``xml`` without our mark and what libvirt counts in a network that runs."""
    return edited(xml, _plain)


def _plain(root: Element) -> None:
    _unmark(root)
    for element in root.iter():
        element.attrib.pop("connections", None)


def _unmark(root: Element) -> None:
    mark(root, NAMESPACE, None)
    for metadata in root.findall("metadata"):
        if len(metadata) == 0 and not (metadata.text or "").strip():
            root.remove(metadata)


def _without_ports(root: Element) -> None:
    """Take out the NAT ports that libvirt shows only in what runs, and what it makes of an SR-IOV card there."""
    for forward in root.findall("forward"):
        for nat in forward.findall("nat"):
            for port in nat.findall("port[@start='1024'][@end='65535']"):
                nat.remove(port)
            if len(nat) == 0 and not nat.attrib:
                forward.remove(nat)
        if forward.find("pf") is not None:
            for tag in ("interface", "address"):
                for element in forward.findall(tag):
                    forward.remove(element)


def _digest(xml: str) -> str:
    return hashlib.sha256(edited(xml, without_space).encode()).hexdigest()
