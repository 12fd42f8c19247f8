# SPDX-License-Identifier: GPL-3.0-or-later
"""One connection to one libvirt host."""

from __future__ import annotations

import json
import os
import shlex
from contextlib import ExitStack, contextmanager
from functools import partial
from types import TracebackType
from typing import (
    TYPE_CHECKING,
    AbstractSet,
    Any,
    Callable,
    ContextManager,
    Dict,
    FrozenSet,
    Iterable,
    Iterator,
    List,
    Mapping,
    NamedTuple,
    Optional,
    Type,
)
from xml.etree import ElementTree

from ansible_collections.hostler.libvirt.plugins.module_utils import errors
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor import event_loop
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.domain import Domain
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.failure import (
    failure_of,
    is_about_xml,
    translated,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.library import libvirt
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.patience import within
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.roster import RosterRow, read_roster
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.statistics import (
    ActiveFigures,
    Figures,
    read_active_figures,
    read_figures,
    read_figures_of,
)

if TYPE_CHECKING:
    from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.network import Network
    from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.pool import Pool
    from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.volume import Volume

# an error 8 to 12 s after the daemon stopped answering; without keepalive a call to a hung daemon blocks for ever
_KEEPALIVE_SECONDS = 4
_KEEPALIVE_COUNT = 2

_CREDENTIALS = ("HOSTLER_SSH_", "HOSTLER_TLS_")

Credentials = Callable[[], ContextManager[Optional[Mapping[str, str]]]]
"""Variables as the environment would have them, whose files are there within the block; None: the environment's own."""


class HostResources(NamedTuple):
    """The host's hardware: logical CPUs, memory in MiB."""

    cpus: int
    memory_mb: int
    free_memory_mb: int


class DomainState(NamedTuple):
    """One line of a bulk read: `state` and `reason` are libvirt's numbers."""

    uuid: str
    name: str
    state: int
    reason: int


class Reboots:
    """What was seen of one guest's reboots; a reset is one, too. One reboot may emit several events."""

    def __init__(self, happened: bool = False) -> None:
        self.happened = happened

    def note(self, *_event: Any) -> None:
        """Take an event of libvirt's, in its event thread."""
        self.happened = True


class Hypervisor:
    """One connection to one libvirt host, for one thread at a time.

    libvirt's client before 10.4 lets calls that are under way on one connection at once write into each other's stacks
    (CVE-2024-4418), which ends the process sooner or later; only its in-memory test driver may be shared.

    Use it as a context manager, or `close` it. After its connection is lost every call raises `HostUnreachable`: open
    another one.
    """

    def __init__(self, connection: Any, uri: str, credentials: Optional[Credentials] = None) -> None:
        self._connection = connection
        self._credentials = credentials
        self._unwatch: List[Callable[[], Any]] = []
        self._host_uuid: Optional[str] = None
        self.uri = uri

    @classmethod
    def open(
        cls,
        uri: Optional[str] = None,
        deadline: Optional[float] = 15.0,
        credentials: Optional[Credentials] = None,
    ) -> Hypervisor:
        """Connect to ``uri`` (libvirt's default where it is None) within ``deadline`` seconds; None: for ever.

        With the `credentials` that the environment names, or those of the caller in their place. Raises
        `HostUnreachable`, or `HostTimeout` when nothing answered in time; `InvalidSpec` for credentials that can't be.
        """
        event_loop.ensure_running()
        with _reaching(uri, credentials) as reached:
            connection = _open_within(reached, deadline)
        with translated("connect to the host"):
            if not (uri or "").startswith("test:"):
                connection.setKeepAlive(_KEEPALIVE_SECONDS, _KEEPALIVE_COUNT)
            # one by which it can be opened again: libvirt's names the credentials, whose files are gone by now
            known = connection.getURI() if uri is None or reached == uri else uri
            return cls(connection, known, credentials)

    def another(self) -> Hypervisor:
        """Connect once more to the same host, in the same way; raises as `open`."""
        return Hypervisor.open(self.uri, credentials=self._credentials)

    @property
    def handle(self) -> Any:
        """Libvirt's own connection, for this package."""
        return self._connection

    def __enter__(self) -> Hypervisor:
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the connection up; closing a lost one is no error. Not from within a callback."""
        # a connection that is watched counts as one in use, and libvirt would leave it open
        for end in (*self._unwatch, self._connection.close):
            try:
                end()
            except libvirt.libvirtError:
                pass  # it is gone already, which is what was wanted
        self._unwatch.clear()

    @property
    def is_alive(self) -> bool:
        """Whether the connection still stands, as far as this side knows; costs no round trip."""
        try:
            return bool(self._connection.isAlive())
        except libvirt.libvirtError:
            return False

    @property
    def is_session(self) -> bool:
        """Whether this is an unprivileged libvirtd of one user: it has no networks of the host's."""
        return self.uri.partition("?")[0].endswith("/session")

    @property
    def is_test_driver(self) -> bool:
        """Whether libvirt's own in-memory driver is behind it."""
        return self.uri.startswith("test:") or self.uri.startswith("test+")

    @contextmanager
    def reboots_of(self, uuid: str) -> Iterator[Reboots]:
        """Watch for reboots of that domain's guest while the block runs; begin before you ask for one."""
        if self.is_test_driver:  # has no such event, and its guests have rebooted when the call returns
            yield Reboots(happened=True)
            return
        reboots = Reboots()
        with translated("watch the VM"):
            number = self._connection.domainEventRegisterAny(
                self.domain(uuid).handle, libvirt.VIR_DOMAIN_EVENT_ID_REBOOT, reboots.note, None
            )
        with self.until_left(partial(self._connection.domainEventDeregisterAny, number)):
            yield reboots

    @contextmanager
    def until_left(self, unwatch: Callable[[], Any]) -> Iterator[None]:
        """For this package: have ``unwatch`` called when the block is left, or when the connection is closed before."""
        self._unwatch.append(unwatch)
        try:
            yield
        finally:
            if unwatch in self._unwatch:  # else the connection was closed meanwhile
                self._unwatch.remove(unwatch)
                try:
                    unwatch()
                except libvirt.libvirtError:
                    pass  # the connection is lost, and its watches with it

    def resources(self) -> HostResources:
        """What hardware the host has."""
        with translated("read the host's resources"):
            info = self._connection.getInfo()
            try:
                free = self._connection.getFreeMemory() // 1024**2
            except libvirt.libvirtError as error:
                if error.get_error_code() != libvirt.VIR_ERR_NO_SUPPORT:  # the test driver's, on some machines
                    raise
                free = 0
            return HostResources(cpus=info[2], memory_mb=info[1], free_memory_mb=free)

    def host_uuid(self) -> Optional[str]:
        """The host's own UUID, None where the driver has none; it is read once, for it is a page of XML."""
        if self._host_uuid is None:
            with translated("read the host's capabilities"):
                capabilities = ElementTree.fromstring(self._connection.getCapabilities())  # noqa: S314  libvirtd made it
            self._host_uuid = capabilities.findtext("host/uuid") or ""
        return self._host_uuid or None

    def virt_types(self) -> List[str]:
        """The domain types that libvirt offers for x86_64 guests; kvm among them is no proof that it works."""
        with translated("read the host's capabilities"):
            capabilities = ElementTree.fromstring(self._connection.getCapabilities())  # noqa: S314  libvirtd made it
        return [
            kind.get("type", "")
            for architecture in capabilities.findall("guest/arch[@name='x86_64']")
            for kind in architecture.findall("domain")
        ]

    def machine_types(self) -> FrozenSet[str]:
        """The machine types of x86_64 guests, and the short names that some have; none where the driver has no such."""
        with translated("read the host's capabilities"):
            capabilities = ElementTree.fromstring(self._connection.getCapabilities())  # noqa: S314  libvirtd made it
        return frozenset(one.text or "" for one in capabilities.iterfind("guest/arch[@name='x86_64']//machine"))

    def has_guest_feature(self, name: str) -> bool:
        """Whether libvirt says that guests of this host's can have that, ``externalSnapshot`` for one."""
        with translated("read the host's capabilities"):
            capabilities = ElementTree.fromstring(self._connection.getCapabilities())  # noqa: S314  libvirtd made it
        return capabilities.find(f"guest/features/{name}") is not None

    def domain_capabilities(self, virt_type: str, machine: str) -> Optional[str]:
        """The ``<domainCapabilities>`` XML for x86_64 guests of that kind; None where the driver has none."""
        try:
            with translated("read the host's capabilities"):
                return str(self._connection.getDomainCapabilities(None, "x86_64", machine, virt_type, 0))
        except errors.Unsupported:
            return None

    def nvram_path(self, xml: str) -> Optional[str]:
        """Where the domain that ``xml`` defines keeps its UEFI variables on the host; None where nobody can tell.

        libvirt says so only of a running domain, and in the command line with which it would start one.
        """
        try:
            with translated("read the VM's command line"):
                line = self._connection.domainXMLToNative("qemu-argv", xml, 0)
        except errors.Unsupported:
            return None
        for word in shlex.split(line):
            if word.startswith("{") and '"libvirt-pflash1-storage"' in word:
                return str(json.loads(word)["filename"])
        return None

    def require_readable(self, xml: str) -> None:
        """Raise `InvalidSpec` for XML that libvirt can make no domain of, as far as it says so before it has to."""
        try:
            self._connection.domainXMLToNative("qemu-argv", xml, 0)
        except libvirt.libvirtError as error:
            if is_about_xml(error):  # else the domain is only not to be started here and now
                reason = failure_of(error, "read it").message
                raise errors.InvalidSpec([errors.FieldError("xml", reason)]) from error

    def domain(self, uuid: str) -> Domain:
        """The domain with that UUID; raises `MachineNotFound`."""
        with translated("find the VM"):
            return Domain(self._connection.lookupByUUIDString(uuid))

    def find_domain(self, uuid: str) -> Optional[Domain]:
        """As `domain`, but None where there is none."""
        try:
            return self.domain(uuid)
        except errors.MachineNotFound:
            return None

    def find_domain_named(self, name: str) -> Optional[Domain]:
        """The domain of that name, None where there is none. A name may look like a UUID, of another domain even."""
        try:
            with translated("find the VM"):
                return Domain(self._connection.lookupByName(name))
        except errors.MachineNotFound:
            return None

    def domains(self) -> List[Domain]:
        """All domains, running or not."""
        with translated("list the VMs"):
            return [Domain(domain) for domain in self._connection.listAllDomains()]

    def domain_states(self) -> List[DomainState]:
        """State of all domains in one call (5,000 of them take about 70 ms)."""
        with translated("list the VMs"):
            rows = self._connection.getAllDomainStats(libvirt.VIR_DOMAIN_STATS_STATE, 0)
            return [
                DomainState(
                    domain.UUIDString(),
                    domain.name(),
                    stats.get("state.state", 0),
                    stats.get("state.reason", 0),
                )
                for domain, stats in rows
            ]

    def roster(self, uuids: Optional[AbstractSet[str]] = None) -> List[RosterRow]:
        """All domains, or those with these UUIDs, with what can be told of them in bulk, by a few calls."""
        with translated("list the VMs"):
            return read_roster(self._connection, uuids)

    def figures(self, uuids: AbstractSet[str], whole: bool) -> Dict[str, Figures]:
        """What `read_figures` says of the domains with those UUIDs; a QEMU that hangs may hang this call."""
        with translated("read the VMs' statistics"):
            # the test driver knows no such flag, and its domains don't hang
            return read_figures(self._connection, uuids, whole, waits=self.is_test_driver)

    def disk_figures(self, domains: Iterable[Domain]) -> Dict[str, Figures]:
        """What `read_figures_of` says of the disks of domains that were listed by this connection."""
        with translated("read the VMs' statistics"):
            handles = [domain.handle for domain in domains]
            return read_figures_of(self._connection, handles, whole=False, waits=self.is_test_driver)

    def active_figures(self) -> List[ActiveFigures]:
        """What `read_active_figures` says of all domains that run; a QEMU that hangs may hang this call."""
        with translated("read the VMs' statistics"):
            return read_active_figures(self._connection)

    def define(self, xml: str) -> Domain:
        """Define a domain, or replace the definition of the one with its UUID."""
        with translated("define the VM"):
            return Domain(self._connection.defineXMLFlags(xml, libvirt.VIR_DOMAIN_DEFINE_VALIDATE))

    def redefine(self, xml: str) -> Domain:
        """As `define`, without validating against the schema: for XML that was libvirt's own."""
        with translated("change the VM's definition"):
            return Domain(self._connection.defineXML(xml))

    def create_transient(self, xml: str) -> Domain:
        """Start a domain that leaves nothing behind when it ends."""
        with translated("start a transient VM"):
            return Domain(self._connection.createXML(xml, libvirt.VIR_DOMAIN_START_AUTODESTROY))

    def console(self, domain: Domain) -> Any:
        """A non-blocking stream on the domain's first console."""
        with translated("open the VM's console"):
            stream = self._connection.newStream(libvirt.VIR_STREAM_NONBLOCK)
            domain.handle.openConsole(None, stream, libvirt.VIR_DOMAIN_CONSOLE_FORCE)
            return stream

    def pool(self, name: str) -> Pool:
        """The storage pool ``name``; raises `PoolNotFound`."""
        with translated("find the storage pool"):
            return self._pool(self._connection.storagePoolLookupByName(name))

    def pools(self) -> List[Pool]:
        """All active storage pools."""
        with translated("list the storage pools"):
            flags = libvirt.VIR_CONNECT_LIST_STORAGE_POOLS_ACTIVE
            return [self._pool(pool) for pool in self._connection.listAllStoragePools(flags)]

    def find_volume_at(self, path: str) -> Optional[Volume]:
        """The volume at ``path`` on the host, in whichever pool; None if no pool knows it."""
        from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.volume import Volume

        try:
            with translated("find the volume"):
                return Volume(self._connection, self._connection.storageVolLookupByPath(path))
        except errors.VolumeNotFound:
            return None

    def pool_of(self, volume: Volume) -> Pool:
        """The storage pool that ``volume`` is in."""
        with translated("find the storage pool"):
            return self._pool(volume.handle.storagePoolLookupByVolume())

    def _pool(self, handle: Any) -> Pool:
        # here, and so below, as few tasks need it: each task of a module compiles anew what it imports
        from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.pool import Pool

        return Pool(self._connection, handle)

    def find_network(self, name: str) -> Optional[Network]:
        """The network ``name``, None if there is none or this libvirtd has no networks at all."""
        from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.network import Network

        try:
            with translated("find the network"):
                return Network(self._connection.networkLookupByName(name))
        except (errors.NetworkNotFound, errors.Unsupported):
            return None

    def networks(self) -> List[Network]:
        """All active networks; none where this libvirtd has no networks at all."""
        from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.network import Network

        try:
            with translated("list the networks"):
                flags = libvirt.VIR_CONNECT_LIST_NETWORKS_ACTIVE
                return [Network(network) for network in self._connection.listAllNetworks(flags)]
        except errors.Unsupported:
            return []

    def has_filter(self, name: str) -> bool:
        """Whether the host has a network filter of that name; True where its libvirtd can't tell."""
        try:
            with translated("find the network filter"):
                self._connection.nwfilterLookupByName(name)
        except errors.NetworkNotFound:
            return False
        except errors.Unsupported:
            return True
        return True

    def has_interface(self, name: str) -> bool:
        """Whether the host has a network interface or a bridge of that name; True where its libvirtd can't tell."""
        try:
            with translated("find the network interface"):
                self._connection.interfaceLookupByName(name)
        except errors.NetworkNotFound:
            return False
        except errors.Unsupported:
            return True
        return True


@contextmanager
def _reaching(uri: Optional[str], credentials: Optional[Credentials]) -> Iterator[Optional[str]]:
    with ExitStack() as stack:
        given = None if credentials is None else stack.enter_context(credentials())
        environment = os.environ if given is None else given
        if uri is not None and any(name.startswith(_CREDENTIALS) for name in environment):
            # here, as few tasks need it: each task of a module compiles anew what it imports
            from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.credentials import reaching

            uri = stack.enter_context(reaching(uri, environment))
        yield uri


def _open_within(uri: Optional[str], seconds: Optional[float]) -> Any:
    """``libvirt.open``, abandoned after ``seconds``: against a stopped daemon it blocks for ever."""
    try:
        if seconds is None:
            return libvirt.open(uri)
        return within(seconds, lambda: libvirt.open(uri), too_late=lambda connection: connection.close())
    except TimeoutError:
        raise errors.HostTimeout(f"Failed to connect to the host: no answer within {seconds:g} s") from None
    # whatever the reason, a connection that could not be opened is an unreachable host
    except libvirt.libvirtError as error:
        raise errors.HostUnreachable(failure_of(error, "connect to the host").message) from error
    except Exception as error:  # a URI that can't be passed on at all is a ValueError
        raise errors.HostUnreachable(f"Failed to connect to the host: {error}") from error
