# SPDX-License-Identifier: GPL-3.0-or-later
"""What was seen of a VM, put into its row."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from tortoise.transactions import in_transaction

from ansible_collections.hostler.libvirt.plugins.module_utils.machine import ObservedMachine
from hostler.drift.differences import differences
from hostler.events.record import Kind, record_vms
from hostler.hosts.models import Server
from hostler.machines.found_spec import found_spec
from hostler.machines.models import Machine

SEEN = (
    "uuid",
    "name",
    "status",
    "cpu_cores",
    "memory_mb",
    "disk_gb",
    "ip_address",
    "ip_source",
    "mac_address",
    "os_type",
    "os_version",
    "vnc_enabled",
    "vnc_port",
    "network_type",
    "bridge_name",
    "network_name",
    "firmware",
    "description",
    "tags",
    "autostart",
    "protected",
    "foreign",
    "spec",
    "revision",
    "drift",
)

_NOT_SHOWN = ("revision", "spec")
"""Of those: what no answer of the API has, so that nobody is told where nothing else is new."""

# a host may hold anything, and no domain of it may keep the others from being written down
_LONGEST = {
    field["name"]: field["constraints"]["max_length"]
    for field in Machine.describe()["data_fields"]
    if field["name"] in SEEN and "max_length" in field["constraints"]
}
_LARGEST = 2**31 - 1


async def write_down(row: Machine, observed: ObservedMachine, server: Server) -> bool:
    """Bring ``row`` in line with what was seen, and save it if that changed anything; whether it did."""
    async with in_transaction():
        current = await Machine.filter(id=row.id).select_for_update().first()
        if current is None:
            return False
        for name in SEEN:  # the watch may have seen the same meanwhile, and told of it
            setattr(row, name, getattr(current, name))
        changed = difference(row, observed, server)
        if changed:
            await row.save(update_fields=changed)
            if is_told(changed, current, row):
                await record_vms(Kind.VM_CHANGED, [row.id])
    return bool(changed)


def is_told(columns: Iterable[str], before: Machine, now: Machine) -> bool:
    """Whether a change of these columns is one that can be seen; of its drift, whether there is any."""
    seen = {name for name in columns if name in SEEN and name not in _NOT_SHOWN}
    return bool(seen - {"drift"}) or ("drift" in seen and (before.drift is None) != (now.drift is None))


def difference(row: Machine, observed: ObservedMachine, server: Server, *, address: str = "seen") -> list[str]:
    """Bring ``row`` in line with what was seen, and answer the columns that are to be saved; none where it is alike.

    ``address``: `fill`.
    """
    before = {name: getattr(row, name) for name in SEEN}
    fill(row, observed, server, address=address)
    changed = [name for name in SEEN if getattr(row, name) != before[name]]
    if not changed:
        return []
    row.last_seen = datetime.now(UTC)
    return [*changed, "last_seen", "updated_at"]


def fill(row: Machine, observed: ObservedMachine, server: Server, *, address: str = "seen") -> None:
    """Set the row's fields to what was seen, without saving it.

    Where the guest is reached is taken as ``seen``; or it was not looked for: then it is ``kept`` for as long as the VM
    runs, or ``lost`` for its guest began anew.
    """
    record = observed.record
    row.uuid = observed.uuid
    row.name = observed.name
    row.status = observed.status
    row.cpu_cores = min(observed.cpu_cores, _LARGEST)
    row.memory_mb = min(observed.memory_kib // 1024, _LARGEST)
    root = observed.root_disk
    if root is None or observed.disk_gb is not None:  # a size that can't be read now is not a size of nothing
        row.disk_gb = observed.disk_gb or 0.0
    # who found none may have asked too early, or fewer
    is_kept = address == "kept" or (address == "seen" and observed.address is None)
    if not is_kept or not observed.is_active:
        row.ip_address = observed.address.address if observed.address else None
        row.ip_source = observed.address.source if observed.address else None
    row.mac_address = observed.mac_address
    row.vnc_enabled = any(shown.type == "vnc" for shown in observed.definition.graphics)
    row.vnc_port = observed.vnc_port
    row.network_type, row.bridge_name, row.network_name = _network(observed, server)
    row.firmware = observed.definition.firmware
    row.autostart = observed.autostart
    row.foreign = record is None
    if record is not None:
        row.os_type = record.os_type
        row.os_version = record.os_version  # type: ignore[assignment]  # TextField(null=True) is typed as never null
        row.description = record.description or ""
        row.tags = list(record.tags)
        row.protected = record.protected
    _compare_with_spec(row, observed, server)
    for name, longest in _LONGEST.items():
        text = getattr(row, name)
        if text is not None and len(text) > longest:
            setattr(row, name, text[:longest])


def _compare_with_spec(row: Machine, observed: ObservedMachine, server: Server) -> None:
    """See whether a VM of ours is what it was asked to be, or was changed by one of us through another door.

    Not while it is being made: by its revision 0 one is known to be another service's to finish.
    """
    record = observed.record
    if record is None:
        row.drift = None
        return
    if record.incomplete:
        return
    actual = found_spec(observed, server)
    revision = min(max(record.revision, 1), _LARGEST)
    if row.revision != revision:
        # what it is now says nothing of a balloon that leaves it all of its memory
        asked = {name: value for name, value in row.spec.items() if name != "current_memory_mb"}
        row.spec, row.revision = {**asked, **actual}, revision
    row.drift = differences(row.spec, actual) or None


def _network(observed: ObservedMachine, server: Server) -> tuple[str, str | None, str | None]:
    """The first card's type, bridge and libvirt network."""
    card = next(iter(observed.definition.interfaces), None)
    if card is None:
        return "none", None, None
    if card.type == "bridge":
        return "bridge", card.source, None
    if card.type == "user" or (card.type == "network" and card.source == server.network):
        return "nat", None, None
    return "network", None, card.source if card.type == "network" else None
