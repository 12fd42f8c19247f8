# SPDX-License-Identifier: GPL-3.0-or-later
"""One libvirt domain: thin, typed calls that raise our errors. What to do when is decided in the actions."""

from __future__ import annotations

from typing import Any, Dict, List, NamedTuple, Optional

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import (
    HostlerError,
    HostUnreachable,
    MachineNotFound,
    NotFound,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.failure import translated
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.library import libvirt
from ansible_collections.hostler.libvirt.plugins.module_utils.identity import (
    NAMESPACE,
    PREFIX,
    Record,
    read_record,
    record_xml,
)


class Address(NamedTuple):
    """One address of a guest. ``source`` is agent, lease or arp; ``address`` has no prefix length."""

    mac_address: Optional[str]
    address: str
    family: str  # ipv4, ipv6
    source: str


# an agent that is connected and does not answer: the guest hangs. Seconds.
_AGENT_PATIENCE = 3


class Domain:
    """One domain. Its handle is dead after a reconnect: look it up again by UUID."""

    def __init__(self, handle: Any) -> None:
        self.handle = handle
        self.name: str = handle.name()
        self.uuid: str = handle.UUIDString()

    def state(self) -> int:
        """Its ``virDomainState``."""
        return self.state_and_reason()[0]

    def state_and_reason(self) -> List[int]:
        """Its ``virDomainState`` and the reason's number."""
        with translated("read the VM's state"):
            return list(self.handle.state())

    def is_active(self) -> bool:
        """Whether QEMU runs for it (paused counts)."""
        with translated("read the VM's state"):
            return bool(self.handle.isActive())

    def is_persistent(self) -> bool:
        """Whether it is still there after it is powered off."""
        with translated("read the VM's state"):
            return bool(self.handle.isPersistent())

    def has_managed_save(self) -> bool:
        """Whether its memory was saved to disk, and the next start goes on from there."""
        with translated("read the VM's state"):
            return bool(self.handle.hasManagedSaveImage())

    def autostart(self) -> bool:
        """Whether it starts with its host; False for a transient domain."""
        with translated("read the VM's autostart"):
            return bool(self.handle.isPersistent() and self.handle.autostart())

    def xml(self, inactive: bool = False, secure: bool = False) -> str:
        """Its XML: as it runs, or as it will start next (``inactive``); ``secure`` includes passwords.

        A change is made from the inactive, secure XML, or the passwords would be lost.
        """
        flags = (libvirt.VIR_DOMAIN_XML_INACTIVE if inactive else 0) | (libvirt.VIR_DOMAIN_XML_SECURE if secure else 0)
        with translated("read the VM's definition"):
            return str(self.handle.XMLDesc(flags))

    def start(self, paused: bool = False) -> None:
        """Power it on (or go on from its managed save); with ``paused`` its guest waits to be resumed."""
        with translated("start VM"):
            if paused:
                self.handle.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)
            else:
                self.handle.create()

    def shutdown(self) -> None:
        """Press the power button. Returns at once; the guest does it when it likes, or never."""
        with translated("stop VM"):
            self.handle.shutdown()

    def reboot(self) -> None:
        """Ask the guest to reboot: its agent if that answers, else the power button. It does when it likes, or never.

        There is no button for it: libvirt presses the power button, and turns the next shutdown of the guest's own into
        a reset, be it long after that.
        """
        with translated("restart VM"):
            self.handle.reboot()

    def reset(self) -> None:
        """Press the reset button."""
        with translated("reset VM"):
            self.handle.reset()

    def suspend(self) -> None:
        """Stop the guest where it stands; its memory stays."""
        with translated("pause VM"):
            self.handle.suspend()

    def save(self) -> None:
        """Write its memory to disk and end it: the next start goes on from there. Blocks until all is written."""
        with translated("save VM"):
            self.handle.managedSave()

    def resume(self) -> None:
        """Let the guest go on after a pause."""
        with translated("resume VM"):
            self.handle.resume()

    def destroy(self) -> None:
        """Pull the plug."""
        with translated("force stop VM"):
            self.handle.destroy()

    def undefine(self) -> None:
        """Remove the definition and all that libvirt keeps with it; disks stay."""
        with translated("undefine VM"):
            if not any(self._undefined_with(flags) for flags in _undefine_flags()):
                self.handle.undefine()

    def _undefined_with(self, flags: int) -> bool:
        try:
            self.handle.undefineFlags(flags)
        except libvirt.libvirtError as error:
            if error.get_error_code() != libvirt.VIR_ERR_INVALID_ARG:
                raise
            return False
        return True

    def set_autostart(self, autostart: bool) -> None:
        """Whether it starts with its host."""
        with translated("set the VM's autostart"):
            self.handle.setAutostart(int(autostart))

    def rename(self, name: str) -> None:
        """Give it another name, while it is off."""
        with translated("rename VM"):
            self.handle.rename(name, 0)
        self.name = name

    def set_live_vcpus(self, count: int) -> None:
        """How many of the vCPUs that it may have the running domain uses; fewer than before is up to its guest."""
        with translated("plug vCPUs into the VM"):
            self.handle.setVcpusFlags(count, libvirt.VIR_DOMAIN_AFFECT_LIVE)

    def attach_live(self, device_xml: str, doing: str) -> None:
        """Plug a device into the running domain; its definition stays. ``doing`` is for the message of an error."""
        with translated(doing):
            self.handle.attachDeviceFlags(device_xml, libvirt.VIR_DOMAIN_AFFECT_LIVE)

    def detach_live(self, device_xml: str, doing: str) -> None:
        """Ask the guest to let go of a device of the running domain; its definition stays.

        When the call returns (after 5 s at most) the guest may have done so, or do it later, or never.
        """
        with translated(doing):
            self.handle.detachDeviceFlags(device_xml, libvirt.VIR_DOMAIN_AFFECT_LIVE)

    def update_live(self, device_xml: str, doing: str, force: bool = False) -> None:
        """Change a device of the running domain; its definition stays. ``doing`` is for the message of an error.

        ``force`` opens a tray that the guest has locked.
        """
        flags = libvirt.VIR_DOMAIN_AFFECT_LIVE | (libvirt.VIR_DOMAIN_DEVICE_MODIFY_FORCE if force else 0)
        with translated(doing):
            self.handle.updateDeviceFlags(device_xml, flags)

    def limit_disk_live(self, target: str, limits: Dict[str, int]) -> None:
        """Give the disk at ``target`` other I/O limits, by libvirt's names for them; the definition keeps its own."""
        with translated(f"limit disk {target}"):
            self.handle.setBlockIoTune(target, limits, libvirt.VIR_DOMAIN_AFFECT_LIVE)

    def resize_disk(self, path: str, capacity: int) -> None:
        """Make the disk at ``path`` ``capacity`` bytes under the running domain."""
        with translated("resize the disk"):
            self.handle.blockResize(path, capacity, libvirt.VIR_DOMAIN_BLOCK_RESIZE_BYTES)

    def record(self) -> Optional[Record]:
        """Our record of it as it is now, None where it has none that is its own."""
        try:
            with translated("read the VM's record"):
                xml = self.handle.metadata(
                    libvirt.VIR_DOMAIN_METADATA_ELEMENT, NAMESPACE, libvirt.VIR_DOMAIN_AFFECT_CURRENT
                )
        except MachineNotFound:
            raise
        except NotFound:
            return None
        return read_record(xml, self.uuid)

    def set_record(self, record: Optional[Record]) -> None:
        """Write our record into its metadata, or with None take it out: in its definition, and live if it runs."""
        flags = 0
        if self.is_active():
            flags |= libvirt.VIR_DOMAIN_AFFECT_LIVE
        if not flags or self.is_persistent():  # a transient domain has no definition, and is there while it runs
            flags |= libvirt.VIR_DOMAIN_AFFECT_CONFIG
        with translated("write the VM's record"):
            xml = None if record is None else record_xml(record)
            self.handle.setMetadata(libvirt.VIR_DOMAIN_METADATA_ELEMENT, xml, PREFIX, NAMESPACE, flags)

    def disk_size(self, target: str) -> Optional[int]:
        """Virtual size in bytes of the disk at ``target``; None where the host can't tell (its file is missing)."""
        try:
            with translated("read the disk's size"):
                return int(self.handle.blockInfo(target)[0])
        except HostUnreachable:
            raise
        except HostlerError:
            return None

    def is_merging(self, target: str) -> bool:
        """Whether what was written to the disk at ``target`` is being merged into what it is built upon."""
        merging = (libvirt.VIR_DOMAIN_BLOCK_JOB_TYPE_COMMIT, libvirt.VIR_DOMAIN_BLOCK_JOB_TYPE_ACTIVE_COMMIT)
        with translated("read what is done with the disk"):
            return (self.handle.blockJobInfo(target) or {}).get("type") in merging

    def addresses(self, source: str) -> List[Address]:
        """The guest's addresses as ``source`` (agent, lease, arp) knows them; empty where it knows none."""
        try:
            return self.ask_addresses(source)
        except HostUnreachable:
            raise
        except HostlerError:
            return []  # off in the meantime, no agent, no lease file: there is no address to be had here

    def ask_addresses(self, source: str, patience: int = _AGENT_PATIENCE) -> List[Address]:
        """As `addresses`, but raises why there are none; the agent has ``patience`` seconds for each answer."""
        with translated("read the VM's addresses"):
            if source == "agent":
                self.handle.agentSetResponseTimeout(patience, 0)
            found = self.handle.interfaceAddresses(_address_source(source))
        return [
            Address(
                mac_address=(card.get("hwaddr") or "").lower() or None,
                address=address["addr"],
                family="ipv4" if address["type"] == libvirt.VIR_IP_ADDR_TYPE_IPV4 else "ipv6",
                source=source,
            )
            for card in (found or {}).values()
            for address in card.get("addrs") or ()
        ]


def _address_source(name: str) -> int:
    return int(getattr(libvirt, f"VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_{name.upper()}"))


def _undefine_flags() -> List[int]:
    """What to ask an undefine to take along, the most first.

    A daemon refuses a flag that it does not know, and then knows nothing of what the flag is about either.
    """
    kept_by_all = libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE | libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
    kept_by_qemu = kept_by_all | libvirt.VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA | libvirt.VIR_DOMAIN_UNDEFINE_NVRAM
    kept_since_8_9 = kept_by_qemu | getattr(libvirt, "VIR_DOMAIN_UNDEFINE_TPM", 0)
    return [kept_since_8_9, kept_by_qemu, kept_by_all]
