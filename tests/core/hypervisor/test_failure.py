# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of our errors one of libvirt's becomes, and what it says."""

import sys
from types import FrameType
from typing import Any

import libvirt
import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils import errors
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.failure import failure_of, translated


def raised(code: int, message: str, domain: int = libvirt.VIR_FROM_QEMU) -> libvirt.libvirtError:
    """An error as libvirt raises it: a test can't fill a disk or hang an agent to get one."""
    error = libvirt.libvirtError(message)
    error.err = (code, domain, message, 2, None, None, None, 0, 0)
    return error


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (libvirt.VIR_ERR_NO_DOMAIN, errors.MachineNotFound),
        (libvirt.VIR_ERR_NO_STORAGE_POOL, errors.PoolNotFound),
        (libvirt.VIR_ERR_NO_STORAGE_VOL, errors.VolumeNotFound),
        (libvirt.VIR_ERR_NO_NETWORK, errors.NetworkNotFound),
        (libvirt.VIR_ERR_NO_DOMAIN_METADATA, errors.NotFound),
        (libvirt.VIR_ERR_DOM_EXIST, errors.NameTaken),
        (libvirt.VIR_ERR_STORAGE_VOL_EXIST, errors.NameTaken),
        (libvirt.VIR_ERR_OPERATION_INVALID, errors.WrongState),
        (libvirt.VIR_ERR_AGENT_UNRESPONSIVE, errors.AgentUnavailable),
        (libvirt.VIR_ERR_NO_SUPPORT, errors.Unsupported),
        (libvirt.VIR_ERR_CONFIG_UNSUPPORTED, errors.Unsupported),
        (libvirt.VIR_ERR_OPERATION_UNSUPPORTED, errors.Unsupported),
        (libvirt.VIR_ERR_INVALID_CONN, errors.HostUnreachable),
        (libvirt.VIR_ERR_AUTH_FAILED, errors.HostUnreachable),
        (libvirt.VIR_ERR_OPERATION_FAILED, errors.OperationFailed),
        (libvirt.VIR_ERR_INTERNAL_ERROR, errors.OperationFailed),
        (libvirt.VIR_ERR_OPERATION_TIMEOUT, errors.OperationFailed),
        (999_999, errors.OperationFailed),
    ],
)
def test_a_code_becomes_one_kind(code: int, kind: type[errors.HostlerError]) -> None:
    assert type(failure_of(raised(code, "reason"), "do it")) is kind


@pytest.mark.parametrize(
    ("code", "domain", "message", "kind"),
    [
        (38, libvirt.VIR_FROM_STORAGE, "cannot extend file '/x': No space left on device", errors.NotEnoughSpace),
        (1, libvirt.VIR_FROM_STORAGE, "Not enough free space in pool for volume 'x'", errors.NotEnoughSpace),
        (38, libvirt.VIR_FROM_STORAGE, "cannot write '/x': Disk quota exceeded", errors.NotEnoughSpace),
        (1, libvirt.VIR_FROM_RPC, "internal error: client socket is closed", errors.HostUnreachable),
        (38, libvirt.VIR_FROM_RPC, "Cannot recv data: Connection reset by peer", errors.HostUnreachable),
        (38, libvirt.VIR_FROM_RPC, "Verbindung zurückgesetzt", errors.HostUnreachable),
        (39, libvirt.VIR_FROM_RPC, "internal error: received hangup event on socket", errors.HostUnreachable),
        (38, libvirt.VIR_FROM_QEMU, "Unable to read from monitor: Connection reset", errors.OperationFailed),
    ],
)
def test_what_has_no_code_of_its_own_is_told_by_where_it_comes_from(
    code: int, domain: int, message: str, kind: type[errors.HostlerError]
) -> None:
    assert type(failure_of(raised(code, message, domain), "do it")) is kind


def test_a_message_is_one_sentence_without_libvirts_prefixes() -> None:
    error = raised(1, "internal error: operation failed: it\n  broke\tdown.")

    assert failure_of(error, "start VM").message == "Failed to start VM: it broke down"


def test_an_error_without_words_still_has_some() -> None:
    assert failure_of(libvirt.libvirtError("x"), "do it").message.startswith("Failed to do it: ")


def test_the_cause_stays_with_the_error_for_the_log() -> None:
    cause = raised(libvirt.VIR_ERR_NO_DOMAIN, "no")

    with pytest.raises(errors.MachineNotFound) as caught, translated("find the VM"):
        raise cause
    assert caught.value.__cause__ is cause


def test_what_is_not_libvirts_passes_through() -> None:
    with pytest.raises(ZeroDivisionError), translated("divide"):
        raise ZeroDivisionError


def test_what_is_freed_in_the_same_moment_hides_no_error(test_driver: Hypervisor) -> None:
    """As the garbage collector may free another object of libvirt's before its library has asked what was wrong."""
    garbage = [test_driver.domains()[0].handle]

    def free(frame: FrameType, event: str, _argument: Any) -> None:
        if event == "call" and frame.f_code is libvirt.libvirtError.__init__.__code__:
            garbage.clear()

    sys.setprofile(free)
    try:
        with pytest.raises(errors.MachineNotFound, match="Domain not found"):
            test_driver.domain("00000000-0000-4000-8000-000000000000")
    finally:
        sys.setprofile(None)
    assert garbage == []
