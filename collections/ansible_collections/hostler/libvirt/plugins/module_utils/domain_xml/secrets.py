# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a domain's XML may be nobody's to see who may see the rest."""

from __future__ import annotations

from xml.etree.ElementTree import Element

from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.document import edited

HIDDEN = "(not shown)"

# libvirt leaves out what it knows to be secret (unless asked for with VIR_DOMAIN_XML_SECURE). These it passes on as
# they are, and passwords are put into all of them: QEMU's own arguments, properties and environment, the kernel's
# command line, what firmware tells the guest (systemd takes credentials from there), a disk's query and cookies for a
# web server, and the session of a SEV guest
_TEXTS = ("cmdline", "initarg", "initenv", "cookie", "session")
_ATTRIBUTES = ("passwd", "password", "query")
_QEMUS_OWN = {"commandline": ("arg", "env"), "override": ("property",)}
_FIRMWARE_TABLES = ("sysinfo",)


def without_secrets(xml: str) -> str:
    """``xml`` with every value that may be a secret replaced by ``(not shown)``."""
    return edited(xml, _hide)


def _hide(domain: Element) -> None:
    for element in domain.iter():
        name = _local(element)
        for attribute in element.attrib:
            if attribute in _ATTRIBUTES:
                element.set(attribute, HIDDEN)
        if name in _TEXTS and element.text:
            element.text = HIDDEN
        elif name in _QEMUS_OWN:
            for child in element.iter():
                if _local(child) in _QEMUS_OWN[name] and child.get("value") is not None:
                    child.set("value", HIDDEN)
        elif name in _FIRMWARE_TABLES:
            for entry in element.iter():
                if _local(entry) == "entry" and entry.text:
                    entry.text = HIDDEN


def _local(element: Element) -> str:
    """The name without its prefix; of a comment, whose tag is a function, something that no element is called."""
    return str(element.tag).rpartition(":")[2]
