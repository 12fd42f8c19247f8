# SPDX-License-Identifier: GPL-3.0-or-later
"""A connection that opens, one that doesn't, and one that is lost; on libvirt's test driver and on the real one."""

import os
import socket
import stat
import threading
import uuid as uuids
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.definition import DomainDefinition
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.write import domain_xml
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import (
    HostlerError,
    HostTimeout,
    HostUnreachable,
    InvalidSpec,
    MachineNotFound,
    OperationFailed,
    PoolNotFound,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.watching import watching
from lab.host import Host
from tests.core.actions.guests import wait_until


def shell(kind: str, name: str = "shell") -> DomainDefinition:
    """A VM without disks, new each time."""
    return DomainDefinition(name, str(uuids.uuid4()), kind, 1, 64 * 1024, machine="q35" if kind == "qemu" else None)


@pytest.fixture
def silent_socket(tmp_path: Path) -> Iterator[Path]:
    """A unix socket that takes connections and never says a word."""
    path = tmp_path / "silent"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        yield path


def connections() -> int:
    """How many connections to a libvirtd's unix socket this process has."""
    count = 0
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208  an iterator would hold one open
        try:
            if not stat.S_ISSOCK(os.fstat(int(name)).st_mode):
                continue
            with socket.socket(fileno=os.dup(int(name))) as one:
                count += one.family == socket.AF_UNIX and str(one.getpeername()).endswith("/libvirt-sock")
        except OSError:  # closed meanwhile, or not connected
            continue
    return count


# Opening


def test_the_test_driver_is_told_from_others(test_driver: Hypervisor) -> None:
    assert test_driver.is_test_driver
    assert not test_driver.is_session
    assert test_driver.uri == "test:///default"


@pytest.mark.lab
def test_a_real_host_says_what_it_is(hypervisor: Hypervisor, lab_host: Host) -> None:
    assert hypervisor.host_uuid() == str(lab_host.layout.uuid)
    assert "qemu" in hypervisor.virt_types()
    assert not hypervisor.is_test_driver
    resources = hypervisor.resources()
    assert resources.cpus >= 1
    assert 0 < resources.free_memory_mb < resources.memory_mb


@pytest.mark.parametrize(
    "uri",
    [
        "qemu:///system?socket=/nowhere/libvirt-sock",
        "nonsense:///system",
        "no uri at all",
        "qemu+tcp://127.0.0.1:1/system",
        "test:///nowhere.xml",
        "qemu:///system?socket=/tmp/\x00x",
        "qemu:///\ud800",
    ],
    ids=ascii,
)
def test_a_host_that_is_not_there_is_unreachable_and_that_is_said_at_once(uri: str) -> None:
    with pytest.raises(HostUnreachable) as caught:
        Hypervisor.open(uri, deadline=10)

    assert not isinstance(caught.value, HostTimeout)
    assert caught.value.message.startswith("Failed to connect to the host: ")
    assert "\n" not in caught.value.message
    assert not caught.value.message.endswith(".")


def test_a_host_that_says_nothing_is_given_up_after_the_deadline(silent_socket: Path) -> None:
    with pytest.raises(HostTimeout, match=r"no answer within 0\.3 s") as caught:
        Hypervisor.open(f"qemu:///system?socket={silent_socket}", deadline=0.3)
    assert caught.value.code == "host_timeout"


def test_a_host_that_was_given_up_and_answers_late_is_not_kept(silent_socket: Path) -> None:
    before = threading.active_count()
    with pytest.raises(HostTimeout):
        Hypervisor.open(f"qemu:///system?socket={silent_socket}", deadline=0.1)
    assert threading.active_count() <= before + 1  # it waits, and keeps nothing from ending


# Closing


def test_closing_twice_is_no_error_and_what_comes_after_is_refused() -> None:
    hypervisor = Hypervisor.open("test:///default")
    domain = hypervisor.domains()[0]
    assert hypervisor.is_alive

    hypervisor.close()
    hypervisor.close()

    assert not hypervisor.is_alive
    for call in (hypervisor.domains, hypervisor.pools, hypervisor.resources, hypervisor.host_uuid):
        with pytest.raises(HostUnreachable):
            call()
    assert domain.name  # which is known without asking


def test_leaving_the_block_closes() -> None:
    with Hypervisor.open("test:///default") as hypervisor:
        pass
    assert not hypervisor.is_alive


@pytest.mark.lab
def test_closing_ends_the_connection_though_it_is_watched(lab_host: Host) -> None:
    before = connections()
    hypervisor = Hypervisor.open(lab_host.uri)
    assert connections() == before + 1
    with watching(hypervisor, lambda _sign: None, lambda: None):
        hypervisor.close()

    # libvirt's event loop lets go of the socket a moment later
    wait_until(lambda: connections() == before, "the connection is closed", timeout=10)


# Looking things up


def test_what_is_not_there_is_said_by_its_kind(test_driver: Hypervisor) -> None:
    uuid = str(uuids.uuid4())
    for missing in (uuid, uuid.upper()):
        assert test_driver.find_domain(missing) is None
        with pytest.raises(MachineNotFound) as caught:
            test_driver.domain(missing)
        assert caught.value.code == "vm_not_found"
    assert test_driver.find_domain_named("nowhere") is None
    with pytest.raises(PoolNotFound):
        test_driver.pool("nowhere")
    assert test_driver.pool("default-pool").find_volume("nowhere") is None
    assert test_driver.find_volume_at("/nowhere") is None
    assert test_driver.find_network("nowhere") is None
    assert (test_driver.has_interface("eth1"), test_driver.has_interface("nowhere")) == (True, False)


@pytest.mark.lab
def test_what_a_real_host_has_not_is_said_by_its_kind(hypervisor: Hypervisor) -> None:
    with pytest.raises(MachineNotFound):
        hypervisor.domain(str(uuids.uuid4()))
    assert hypervisor.find_domain_named("nowhere") is None
    with pytest.raises(PoolNotFound):
        hypervisor.pool("nowhere")
    assert hypervisor.pool("images").find_volume("nowhere") is None
    assert hypervisor.find_volume_at("/nowhere/at.all") is None
    assert hypervisor.find_network("nowhere") is None
    assert (hypervisor.has_interface("lo"), hypervisor.has_interface("nowhere")) == (True, False)
    network = hypervisor.find_network("default")
    assert network is not None
    assert network.is_active()


def test_a_vm_named_like_a_uuid_is_found_by_its_name_and_never_for_that_uuid(test_driver: Hypervisor) -> None:
    victim = test_driver.define(domain_xml(shell("test", "victim")))
    impostor = test_driver.define(domain_xml(shell("test", victim.uuid)))

    found = test_driver.find_domain_named(victim.uuid)

    assert found is not None
    assert found.uuid == impostor.uuid
    assert test_driver.domain(victim.uuid).name == "victim"
    assert test_driver.find_domain(impostor.uuid) is not None
    impostor.undefine()
    assert test_driver.find_domain_named(victim.uuid) is None
    victim.undefine()


@pytest.mark.lab
def test_states_of_all_domains_come_in_one_call(hypervisor: Hypervisor) -> None:
    domain = hypervisor.define(domain_xml(shell("qemu", "states")))

    (row,) = [row for row in hypervisor.domain_states() if row.uuid == domain.uuid]

    assert (row.name, row.state) == ("states", 5)


@pytest.mark.lab
def test_what_libvirt_refuses_is_said_in_its_words_and_one_line(hypervisor: Hypervisor) -> None:
    xml = domain_xml(shell("qemu"))

    with pytest.raises(OperationFailed, match=r"^Failed to define the VM: ") as caught:
        hypervisor.define(xml.replace("<memory", "<memorey").replace("</memory", "</memorey"))
    assert "\n" not in caught.value.message
    with pytest.raises(HostlerError):
        hypervisor.define("<domain/>")
    with pytest.raises(HostlerError):
        hypervisor.define("no xml")


@pytest.mark.lab
def test_a_second_domain_of_a_name_is_refused_and_the_first_one_kept(hypervisor: Hypervisor) -> None:
    first = hypervisor.define(domain_xml(shell("qemu", "twin")))

    with pytest.raises(HostlerError, match="twin"):
        hypervisor.define(domain_xml(shell("qemu", "twin")))

    assert [domain.uuid for domain in hypervisor.domains() if domain.name == "twin"] == [first.uuid]


# Watching


@pytest.mark.lab
def test_reboots_are_seen_while_they_are_watched_for_and_a_lost_watch_is_no_error(lab_host: Host) -> None:
    with Hypervisor.open(lab_host.uri) as hypervisor:
        domain = hypervisor.create_transient(domain_xml(shell("qemu", "reboots")))
        with hypervisor.reboots_of(domain.uuid) as reboots:
            assert reboots.happened is False
            domain.reset()
            wait_until(lambda: reboots.happened, "the reset is seen", timeout=10)
        with hypervisor.reboots_of(domain.uuid) as others:
            hypervisor.close()
        assert others.happened is False
        with pytest.raises(HostUnreachable), hypervisor.reboots_of(domain.uuid):
            pass


@pytest.mark.lab
def test_a_connection_that_is_lost_says_so_to_whoever_uses_it_and_to_whoever_watches(lab_host: Host) -> None:
    lost = threading.Event()
    hypervisor = Hypervisor.open(lab_host.uri)
    watch = ExitStack()
    watch.enter_context(watching(hypervisor, lambda _sign: None, lost.set))
    domain = hypervisor.define(domain_xml(shell("qemu", "lost")))
    pool = hypervisor.pool("default")
    try:
        lab_host.kill_libvirtd()
        assert lost.wait(10)
        assert not hypervisor.is_alive
        for call in (
            hypervisor.domains,
            hypervisor.domain_states,
            hypervisor.resources,
            hypervisor.pools,
            domain.is_active,
            domain.xml,
            domain.start,
            pool.space,
            pool.volumes,
            lambda: domain.disk_size("vda"),
            lambda: hypervisor.find_domain(domain.uuid),
            lambda: hypervisor.find_network("default"),
        ):
            with pytest.raises(HostUnreachable):
                call()
        with pytest.raises(HostUnreachable):
            Hypervisor.open(lab_host.uri, deadline=10)
        watch.close()
        hypervisor.close()
    finally:
        lab_host.start_libvirtd()

    with Hypervisor.open(lab_host.uri) as again:  # what was defined is there again, by its UUID
        again.domain(domain.uuid).undefine()


@pytest.mark.lab
@pytest.mark.slow
def test_a_host_that_hangs_in_the_middle_is_unreachable_after_a_while(lab_host: Host) -> None:
    """Without keepalive such a call would never return."""
    with Hypervisor.open(lab_host.uri) as hypervisor:
        lab_host.pause_libvirtd()
        try:
            with pytest.raises(HostUnreachable):
                hypervisor.domains()
            assert not hypervisor.is_alive
            with pytest.raises(HostTimeout):
                Hypervisor.open(lab_host.uri, deadline=0.5)
        finally:
            lab_host.continue_libvirtd()


def test_another_connection_to_the_host_is_opened_with_the_same_credentials() -> None:
    opened: list[str] = []

    @contextmanager
    def credentials() -> Iterator[dict[str, str]]:
        opened.append("open")
        yield {"HOSTLER_SSH_KEY": ""}
        opened.append("closed")

    with Hypervisor.open("test:///default", credentials=credentials) as hypervisor:
        assert opened == ["open", "closed"]
        with hypervisor.another() as other:
            assert other.uri == hypervisor.uri
            assert len(opened) == 4
            with other.another():
                assert len(opened) == 6


def test_credentials_of_the_caller_take_the_place_of_the_environments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOSTLER_SSH_KEY", "/no/such/file")
    with pytest.raises(InvalidSpec, match="/no/such/file"):
        Hypervisor.open("qemu+ssh://root@127.0.0.1:1/system")
    with pytest.raises(HostUnreachable, match="Connection refused"):
        Hypervisor.open(
            "qemu+ssh://root@127.0.0.1:1/system", credentials=lambda: nullcontext({"HOSTLER_SSH_INSECURE": "1"})
        )
    with pytest.raises(InvalidSpec, match="/no/such/file"):
        Hypervisor.open("qemu+ssh://root@127.0.0.1:1/system", credentials=lambda: nullcontext(None))
