# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host's QEMU can give a guest is read from libvirt's domain capabilities."""

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.abilities import Abilities, abilities_of
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor

EVERYTHING = """
<domainCapabilities>
  <vcpu max='288'/>
  <os supported='yes'>
    <enum name='firmware'><value>efi</value></enum>
    <loader supported='yes'><enum name='secure'><value>yes</value><value>no</value></enum></loader>
  </os>
  <devices>
    <tpm supported='yes'>
      <enum name='model'><value>tpm-tis</value><value>tpm-crb</value></enum>
      <enum name='backendModel'><value>passthrough</value><value>emulator</value></enum>
    </tpm>
  </devices>
</domainCapabilities>
"""


def test_a_host_that_has_everything() -> None:
    assert abilities_of(EVERYTHING) == Abilities(max_vcpus=288, uefi=True, secure_boot=True, tpm=True)


@pytest.mark.parametrize(
    ("there", "instead", "expected"),
    [
        ("<value>efi</value>", "", Abilities(288, uefi=False, secure_boot=False)),
        ("<value>efi</value>", "<value>bios</value>", Abilities(288, uefi=False, secure_boot=False)),
        ("<value>yes</value>", "", Abilities(288, secure_boot=False)),
        ("<value>emulator</value>", "", Abilities(288, tpm=False)),
        ("<value>tpm-crb</value>", "", Abilities(288, tpm=False)),
        ("<vcpu max='288'/>", "", Abilities(None)),
    ],
)
def test_a_host_that_lacks_something(there: str, instead: str, expected: Abilities) -> None:
    assert there in EVERYTHING

    assert abilities_of(EVERYTHING.replace(there, instead)) == expected


def test_a_host_without_an_emulator_of_tpms_says_so() -> None:
    begin, end = EVERYTHING.index("<tpm"), EVERYTHING.index("</tpm>") + len("</tpm>")

    assert not abilities_of(EVERYTHING[:begin] + "<tpm supported='no'/>" + EVERYTHING[end:]).tpm
    # libvirt before 8.0 does not speak of TPMs, which is no reason to refuse one
    assert abilities_of(EVERYTHING[:begin] + EVERYTHING[end:]).tpm


def test_a_driver_that_can_not_tell_is_believed_to_have_everything(test_driver: Hypervisor) -> None:
    assert abilities_of(test_driver.domain_capabilities("test", "q35")) == Abilities(None, True, True, True)


@pytest.mark.lab
def test_the_real_libvirt_says_what_the_labs_host_has(hypervisor: Hypervisor) -> None:
    """UEFI with Secure Boot, and swtpm, are among its packages; of the older machine type there is no such firmware."""
    q35 = abilities_of(hypervisor.domain_capabilities("qemu", "q35"))
    pc = abilities_of(hypervisor.domain_capabilities("qemu", "pc"))

    assert (q35.uefi, q35.secure_boot, q35.tpm) == (True, True, True)
    assert (pc.uefi, pc.secure_boot) == (True, False)
    assert q35.max_vcpus is not None
    assert pc.max_vcpus is not None
    assert q35.max_vcpus > pc.max_vcpus > 1
