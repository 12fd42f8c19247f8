# SPDX-License-Identifier: GPL-3.0-or-later
"""Storage pool XML, as a `PoolDefinition` and back. Format: https://libvirt.org/formatstorage.html.

What is there is edited in place: what we don't model survives.
"""

from __future__ import annotations

from typing import Any, Dict, Optional, Tuple
from xml.etree.ElementTree import Element, SubElement

from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.document import edited, parse, serialize
from ansible_collections.hostler.libvirt.plugins.module_utils.storage_pool import PoolAuth, PoolDefinition, PoolSource

# libvirt's words for a format that nobody has named
_NO_FORMAT = ("auto", "unknown")


def read_pool(xml: str) -> PoolDefinition:
    """What ``xml``, libvirt's own answer, says of a pool."""
    root = parse(xml)
    return PoolDefinition(
        name=root.findtext("name", ""),
        type=root.get("type", ""),
        uuid=root.findtext("uuid"),
        path=root.findtext("target/path"),
        mode=root.findtext("target/permissions/mode"),
        owner=_number(root, "target/permissions/owner"),
        group=_number(root, "target/permissions/group"),
        source=_source(root.find("source")),
    )


def pool_xml(definition: PoolDefinition) -> str:
    """XML that defines it."""
    root = Element("pool", {"type": definition.type})
    SubElement(root, "name").text = definition.name
    return _set(serialize(root), PoolDefinition(definition.name, definition.type), definition)


def changed_pool(xml: str, definition: PoolDefinition) -> str:
    """``xml``, libvirt's own, with what ``definition`` says otherwise; a setting that it leaves out is taken away."""
    return _set(xml, read_pool(xml), definition)


def _set(xml: str, now: PoolDefinition, wanted: PoolDefinition) -> str:
    before, after = now.settings(), wanted.settings()
    differs = [name for name in after if before[name] != after[name]]

    def change(root: Element) -> None:
        for name in differs:
            if name.startswith("source."):
                _set_source(_child(root, "source"), name[len("source.") :], wanted.source)
            elif name == "path":
                _set_text(_child(root, "target"), "path", wanted.path)
            else:
                value = after[name]
                text = None if value is None else str(value)
                _set_text(_child(_child(root, "target"), "permissions"), name, text)

    return edited(xml, change)


def _set_source(source: Element, name: str, wanted: PoolSource) -> None:
    if name == "hosts":
        _replace(source, "host", tuple(_host_attributes(host) for host in wanted.hosts or ()))
    elif name == "devices":
        _replace(source, "device", tuple({"path": device} for device in wanted.devices or ()))
    elif name == "path":
        _replace(source, "dir", () if wanted.path is None else ({"path": wanted.path},))
    elif name == "format":
        _replace(source, "format", () if wanted.format is None else ({"type": wanted.format},))
    elif name == "name":
        _set_text(source, "name", wanted.name)
    elif name == "initiator":
        _replace(source, "initiator", () if wanted.initiator is None else ({},))
        if wanted.initiator is not None:
            SubElement(_child(source, "initiator"), "iqn", {"name": wanted.initiator})
    elif name == "auth":
        _set_auth(source, wanted.auth)


def _set_auth(source: Element, auth: Optional[PoolAuth]) -> None:
    _replace(source, "auth", () if auth is None else ({"type": auth.type, "username": auth.username},))
    if auth is not None:
        said = {"uuid": auth.secret_uuid, "usage": auth.secret_usage}
        names = {name: value for name, value in said.items() if value is not None}
        SubElement(_child(source, "auth"), "secret", names)


def _replace(parent: Element, tag: str, wanted: Tuple[Dict[str, str], ...]) -> None:
    for element in parent.findall(tag):
        parent.remove(element)
    for attributes in wanted:
        SubElement(parent, tag, attributes)


def _set_text(parent: Element, tag: str, text: Optional[str]) -> None:
    if text is None:
        _replace(parent, tag, ())
    else:
        _child(parent, tag).text = text


def _child(parent: Element, tag: str) -> Element:
    found = parent.find(tag)
    return SubElement(parent, tag) if found is None else found


def _host_attributes(host: str) -> Dict[str, str]:
    name, port = host_and_port(host)
    return {"name": name} if port is None else {"name": name, "port": port}


def host_and_port(host: str) -> Tuple[str, Optional[str]]:
    """The parts of ``name``, ``name:port``, ``[address]:port``; an IPv6 address without brackets has no port."""
    if host.startswith("["):
        address, _bracket, rest = host[1:].partition("]")
        return address, rest[1:] or None
    name, _colon, port = host.partition(":")
    return (host, None) if ":" in port else (name, port or None)


def _host(element: Element) -> str:
    name, port = element.get("name", ""), element.get("port")
    if port is None or port == "0":
        return name
    return f"[{name}]:{port}" if ":" in name else f"{name}:{port}"


def _source(element: Optional[Element]) -> PoolSource:
    if element is None:
        return PoolSource()
    folder, kind, initiator = element.find("dir"), element.find("format"), element.find("initiator/iqn")
    form = None if kind is None else kind.get("type")
    return PoolSource(
        hosts=tuple(_host(host) for host in element.findall("host")) or None,
        path=None if folder is None else folder.get("path"),
        devices=tuple(device.get("path", "") for device in element.findall("device")) or None,
        name=element.findtext("name"),
        format=None if form in _NO_FORMAT else form,
        initiator=None if initiator is None else initiator.get("name"),
        auth=_auth(element.find("auth")),
    )


def _auth(element: Optional[Element]) -> Optional[PoolAuth]:
    if element is None:
        return None
    secret = element.find("secret")
    known: Dict[str, Any] = {} if secret is None else dict(secret.attrib)
    return PoolAuth(element.get("type", ""), element.get("username", ""), known.get("uuid"), known.get("usage"))


def _number(root: Element, path: str) -> Optional[int]:
    text = root.findtext(path)
    return None if text is None else int(text)
