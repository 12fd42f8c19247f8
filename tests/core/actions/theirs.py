# SPDX-License-Identifier: GPL-3.0-or-later
"""VMs as real sites have them, on a real host, and what becomes of their definitions."""

import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import HostlerError
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.selection import OneMachine
from tests.core.actions.test_change import again, changed, whole
from tests.core.domain_xml.documents import FOREIGN, difference, element, for_the_lab, lines_of

Ask = Callable[[bool], bool]
"""Asks for a change, in check mode if told so, and answers whether there is one."""

# where those who wrote the documents keep their disks
THEIR_FOLDER = "/var/lib/libvirt/images/"

CONTROLLERS = "/domain/devices/controller"

FIXED_BY_NUMA = "its definition has a NUMA layout that fixes its sizes"
NO_DISK = "has no disk of its own whose content could be kept"
RAW = "only qcow2 can hold a snapshot inside"
NO_PLACE = "is on no storage pool of files of this host"
FURTHER_CARDS = "the VM has further cards: none takes away its only one"
HOST_DEVICE = "first card is of type hostdev, which is left to whoever made it"
PROGRAMS_SOCKET = "first card is of type vhostuser, which is left to whoever made it"

REFUSED: dict[str, dict[str, str]] = {
    "memory": dict.fromkeys(("hugepages_pinned", "numa_realtime", "nvdimm_hotplug"), FIXED_BY_NUMA),
    "fewer vCPUs": dict.fromkeys(
        ("hugepages_pinned", "numa_realtime", "nvdimm_hotplug"), "Number of CPUs in <numa> exceeds"
    ),
    "root disk": {
        "vhost_user": "discard is not supported with vhostuser disk",
        "windows_spice": "goes with no limit of read_iops_sec and write_iops_sec",
    },
    "plugged elsewhere": {"hugepages_pinned": HOST_DEVICE, "vhost_user": PROGRAMS_SOCKET},
    "no card": {
        **dict.fromkeys(("gpu_passthrough", "one_cell", "openvswitch_macvtap"), FURTHER_CARDS),
        "hugepages_pinned": HOST_DEVICE,
        "vhost_user": PROGRAMS_SOCKET,
    },
    "snapshot inside": {
        **dict.fromkeys(("bare", "numa_realtime", "one_cell"), NO_DISK),
        **dict.fromkeys(("ceph_iscsi", "hugepages_pinned", "i440fx_legacy", "spice_usb_desktop", "vhost_user"), RAW),
        **dict.fromkeys(("confidential_sev", "secure_boot_tpm"), "keeps its UEFI variables in a raw file"),
        "windows_spice": RAW,
    },
    "snapshot beside": {
        **dict.fromkeys(("bare", "numa_realtime", "one_cell"), NO_DISK),
        **dict.fromkeys(("vhost_user", "windows_spice"), NO_PLACE),
        "ceph_iscsi": "Disk vda of VM 'db-ceph' is encrypted",
        "confidential_sev": "Disk vda of VM 'vault-sev' is encrypted",
    },
    "clone": {
        **dict.fromkeys(("ceph_iscsi", "vhost_user", "windows_spice"), "is in no storage pool of this host"),
        "confidential_sev": "Disk vda is encrypted",
        "nvdimm_hotplug": "has memory in a file",
    },
}  # fmt: skip
"""What can't be, by the change and the document, and the reason that is given. Everything else has to work."""


def of_each(has: str = ".") -> pytest.MarkDecorator:
    """The mark of a test that is about each document which has what the pattern ``has`` finds."""
    return pytest.mark.parametrize("name", [name for name, xml in FOREIGN.items() if re.search(has, xml)])


class Theirs:
    """A VM of a document, and what becomes of its definition."""

    def __init__(self, hypervisor: Hypervisor, name: str) -> None:
        self.hypervisor, self.document = hypervisor, name
        pool = hypervisor.pool("default")
        folder = pool.type_and_path()[1]
        xml = for_the_lab(FOREIGN[name]).replace(THEIR_FOLDER, f"{folder}/")
        for disk in element(xml).iterfind("devices/disk[@device='disk']"):
            source, driver = disk.find("source"), disk.find("driver")
            path = "" if source is None else source.get("file", "")
            if path.startswith(folder) and driver is not None and pool.find_volume(Path(path).name) is None:
                pool.create_volume(Path(path).name, 2**20, driver.get("type", ""))
        self.iso = f"{folder}/a.iso"
        self.uuid = hypervisor.define(xml).uuid
        # once more: libvirt sorts the controllers that it adds only when it reads them again
        hypervisor.redefine(self.xml)

    @property
    def xml(self) -> str:
        return whole(self.hypervisor, self.uuid)

    @property
    def which(self) -> OneMachine:
        return OneMachine(uuid=self.uuid)

    def change(self, what: str, **fields: Any) -> list[str]:
        """As `asked`, for a change of the VM itself."""

        def ask(check: bool) -> bool:
            if check:
                return again(self.hypervisor, self.uuid, **fields).changed
            return changed(self.hypervisor, self.uuid, **fields).changed

        return self.asked(what, ask)

    def device(self, ensure: Callable[..., dict[str, Any]], wanted: Any, what: str = "device") -> list[str]:
        """As `asked`, for a disk, a card or a drive."""
        return self.asked(what, lambda check: ensure(self.hypervisor, self.which, wanted, check)["changed"])

    def asked(self, what: str, ask: Ask) -> list[str]:
        """Have it done; what that has changed in the definition, and nothing where it is refused, as it should be."""
        before = self.xml
        reason = REFUSED.get(what, {}).get(self.document)
        if reason is not None:
            with pytest.raises(HostlerError, match=re.escape(reason)):
                ask(False)
            assert self.xml == before
            return []
        foretold = ask(True)
        assert self.xml == before
        assert ask(False) == foretold
        assert not ask(True)
        after = self.xml
        assert element(after).findtext("uuid") == element(before).findtext("uuid")
        assert passwords(after) >= passwords(before) or what == "no display"
        assert not controllers(before) - controllers(after)
        return outside_of_controllers(before, after)


def passwords(xml: str) -> Counter[str | None]:
    return Counter(display.get("passwd") for display in element(xml).iterfind("devices/graphics[@passwd]"))


def addresses(xml: str) -> list[str | None]:
    """The MAC addresses of the cards, in their order."""
    return [mac.get("address") for mac in element(xml).iterfind("devices/interface/mac")]


def controllers(xml: str) -> Counter[str]:
    """All that they are. libvirt adds some for new devices, wherever it likes, also behind another in the same slot."""
    lines = (line for line in lines_of(xml) if line.startswith(CONTROLLERS))
    return Counter(line.replace(" multifunction='on'", "") for line in lines)


def outside_of_controllers(before: str, after: str) -> list[str]:
    return [line for line in difference(before, after) if not line[2:].startswith(CONTROLLERS)]


def places(lines: list[str]) -> set[str]:
    return {line.split()[1] for line in lines}


def added(lines: list[str]) -> set[str]:
    """Where ``lines`` has something new, and nothing else; of devices only which."""
    assert {line[0] for line in lines} <= {"+"}, lines
    return {"/".join(place.split("/")[:4]) for place in places(lines)}
