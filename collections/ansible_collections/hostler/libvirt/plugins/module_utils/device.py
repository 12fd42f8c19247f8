# SPDX-License-Identifier: GPL-3.0-or-later
"""A device of a VM that is neither disk nor card nor display: one of the host's, a shared folder, a watchdog, sound."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Dict, Iterator, List, Optional, Sequence, Tuple

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import FieldError
from ansible_collections.hostler.libvirt.plugins.module_utils.fields import facts, path_errors

DEVICE_TYPES = ("pci", "usb", "virtiofs", "watchdog", "sound")
WATCHDOG_ACTIONS = ("reset", "shutdown", "poweroff", "pause", "none", "dump", "inject-nmi")
MODELS: Dict[str, Tuple[str, ...]] = {"watchdog": ("i6300esb", "ib700"), "sound": ("ich9", "ich6", "ac97", "usb")}
"""What a device of such a type can be, the usual one first."""

_HEX_ID = {"pattern": r"^0x[0-9A-Fa-f]{4}$", "pattern_says": "four hexadecimal digits after 0x, in quotes: '0x1d6b'"}
_FIELDS: Dict[str, Tuple[str, ...]] = {
    "pci": ("address",),
    "usb": ("vendor", "product", "bus", "device"),
    "virtiofs": ("source", "tag"),
    "watchdog": ("model", "action"),
    "sound": ("model",),
}


@dataclass(frozen=True)
class DeviceConfig:
    """One device. Which fields it has depends on its type."""

    type: str = field(metadata=facts("What it is.", choices=DEVICE_TYPES))
    address: Optional[str] = field(
        default=None,
        metadata=facts(
            "Where the host has the device on its PCI bus, for type C(pci).",
            pattern=r"^([0-9A-Fa-f]{4}:)?[0-9A-Fa-f]{2}:[0-1][0-9A-Fa-f]\.[0-7]$",
            pattern_says="an address such as '0000:65:00.0', in quotes",
        ),
    )
    vendor: Optional[str] = field(
        default=None, metadata=facts("The maker's number of a device, for type C(usb), with C(product).", **_HEX_ID)
    )
    product: Optional[str] = field(
        default=None, metadata=facts("The maker's number for it, for type C(usb).", **_HEX_ID)
    )
    bus: Optional[int] = field(
        default=None,
        metadata=facts("The host's bus that it is on, for type C(usb), with C(device).", minimum=1, maximum=999),
    )
    device: Optional[int] = field(
        default=None, metadata=facts("Its number on that bus, for type C(usb).", minimum=1, maximum=999)
    )
    source: Optional[str] = field(
        default=None, metadata=facts("The host's folder that is shared, for type C(virtiofs).", max_length=4095)
    )
    tag: Optional[str] = field(
        default=None,
        metadata=facts(
            "What the guest mounts it by, for type C(virtiofs).",
            pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,35}$",
            pattern_says="1 to 36 letters, digits, dots, dashes and underscores, the first a letter or digit",
        ),
    )
    model: Optional[str] = field(
        default=None, metadata=facts("What the guest takes it for, for types C(watchdog) and C(sound).", max_length=20)
    )
    action: Optional[str] = field(
        default=None, metadata=facts("What happens when a C(watchdog) is not fed.", choices=WATCHDOG_ACTIONS)
    )

    @property
    def key(self) -> str:
        """What it is known by among the VM's devices."""
        if self.type == "pci":
            return f"pci {plain_address(self.address or '')}"
        if self.type == "usb" and self.vendor is not None:
            return f"usb {self.vendor[2:].lower()}:{(self.product or '')[2:].lower()}"
        if self.type == "usb":
            return f"usb {self.bus}.{self.device}"
        if self.type == "virtiofs":
            return f"virtiofs {self.tag}"
        # a VM is not watched twice over
        return "watchdog" if self.type == "watchdog" else f"sound {self.model or MODELS['sound'][0]}"


def plain_address(address: str) -> str:
    """A PCI address as it is usually written: with its domain, in small letters."""
    return (address if address.count(":") == 2 else f"0000:{address}").lower()


def device_errors(devices: Sequence[DeviceConfig]) -> Iterator[FieldError]:
    """What is wrong with the fields of each device together, and with devices that a VM can't have twice."""
    seen: Dict[str, int] = {}
    for index, one in enumerate(devices):
        path = f"devices.{index}"
        if one.type not in _FIELDS:
            continue
        errors = list(_errors(one, path))
        yield from errors
        if not errors and one.key in seen:
            yield FieldError(path, f"is the device of devices.{seen[one.key]}")
        elif not errors:
            seen[one.key] = index


def _errors(one: DeviceConfig, path: str) -> Iterator[FieldError]:
    own = _FIELDS[one.type]
    for name in sorted({name for names in _FIELDS.values() for name in names} - set(own)):
        if getattr(one, name) is not None:
            owners = " or ".join(kind for kind, names in _FIELDS.items() if name in names)
            yield FieldError(f"{path}.{name}", f"goes with type {owners} only")
    for name in _missing(one):
        yield FieldError(f"{path}.{name}", f"is required for type {one.type}")
    if one.type == "usb" and one.vendor is not None and (one.bus, one.device) != (None, None):
        yield FieldError(f"{path}.bus", "does not go with vendor: one of them says which device it is")
    if one.source is not None:
        yield from path_errors(f"{path}.source", one.source)
    if one.model is not None and one.type in MODELS and one.model not in MODELS[one.type]:
        yield FieldError(f"{path}.model", f"of type {one.type} must be one of {', '.join(MODELS[one.type])}")


def _missing(one: DeviceConfig) -> List[str]:
    if one.type == "usb":
        pair = ("bus", "device") if one.bus is not None or one.device is not None else ("vendor", "product")
        return [name for name in pair if getattr(one, name) is None]
    needed = _FIELDS[one.type] if one.type in ("pci", "virtiofs") else ()
    return [name for name in needed if getattr(one, name) is None]
