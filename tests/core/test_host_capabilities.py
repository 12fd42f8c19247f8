# SPDX-License-Identifier: GPL-3.0-or-later
"""What libvirt says of a host is read as it says it, and what it doesn't say is None."""

from ansible_collections.hostler.libvirt.plugins.module_utils.host_capabilities import (
    cells,
    guest_abilities,
    guests,
    has_iommu,
    hugepages,
    processor,
)

CAPABILITIES = """<capabilities>
  <host>
    <cpu><arch>x86_64</arch><model>EPYC</model><vendor>AMD</vendor>
      <topology sockets='2' dies='1' cores='4' threads='2'/></cpu>
    <iommu support='yes'/>
    <topology><cells num='2'>
      <cell id='0'><memory unit='KiB'>16777216</memory>
        <pages unit='KiB' size='4'>4194304</pages><pages unit='KiB' size='2048'>16</pages>
        <cpus num='2'><cpu id='0'/><cpu id='2'/></cpus></cell>
      <cell id='1'><memory unit='KiB'>8388608</memory>
        <pages unit='KiB' size='2048'>8</pages><cpus num='2'><cpu id='1'/><cpu id='3'/></cpus></cell>
    </cells></topology>
  </host>
  <guest><os_type>hvm</os_type><arch name='x86_64'><emulator>/usr/bin/qemu-system-x86_64</emulator>
    <machine canonical='pc-q35-7.2'>q35</machine><machine>pc-q35-7.2</machine>
    <domain type='qemu'/><domain type='kvm'><machine>pc-q35-7.2</machine><machine>microvm</machine></domain>
  </arch></guest>
</capabilities>"""
DOMAIN = """<domainCapabilities><path>/usr/bin/qemu-system-x86_64</path><domain>kvm</domain>
  <machine>pc-q35-7.2</machine><arch>x86_64</arch><vcpu max='288'/>
  <os supported='yes'><enum name='firmware'><value>efi</value></enum>
    <loader supported='yes'><enum name='secure'><value>no</value></enum></loader></os>
  <cpu><mode name='host-passthrough' supported='yes'/>
    <mode name='host-model' supported='yes'><model fallback='forbid'>EPYC</model></mode>
    <mode name='custom' supported='yes'><model usable='no'>n270</model><model usable='yes'>qemu64</model></mode></cpu>
  <devices><filesystem supported='yes'><enum name='driverType'><value>path</value></enum></filesystem>
    <hostdev supported='yes'><enum name='pciBackend'><value>vfio</value></enum></hostdev></devices>
</domainCapabilities>"""


def test_the_processor_and_its_topology() -> None:
    assert processor(CAPABILITIES) == {
        "arch": "x86_64",
        "model": "EPYC",
        "vendor": "AMD",
        "sockets": 2,
        "dies": 1,
        "cores": 4,
        "threads": 2,
    }
    assert set(processor("<capabilities/>").values()) == {None}


def test_numa_cells_with_their_pages() -> None:
    assert cells(CAPABILITIES) == [
        {"id": 0, "memory_mb": 16384, "cpus": [0, 2], "pages": {4: 4194304, 2048: 16}},
        {"id": 1, "memory_mb": 8192, "cpus": [1, 3], "pages": {2048: 8}},
    ]


def test_ordinary_pages_are_no_hugepages_and_what_is_not_known_to_be_free_is_none() -> None:
    assert hugepages({4: 100, 2048: 16, 1048576: 0}, {2048: 3}) == [
        {"size_kb": 2048, "total": 16, "free": 3},
        {"size_kb": 1048576, "total": 0, "free": None},
    ]


def test_guests_have_each_machine_type_once() -> None:
    assert guests(CAPABILITIES) == [
        {
            "arch": "x86_64",
            "virt_types": ["qemu", "kvm"],
            "emulator": "/usr/bin/qemu-system-x86_64",
            "machines": ["q35", "pc-q35-7.2", "microvm"],
        }
    ]


def test_an_iommu_is_there_is_not_there_or_is_not_known() -> None:
    assert has_iommu(CAPABILITIES) is True
    assert has_iommu("<capabilities><host><iommu support='no'/></host></capabilities>") is False
    assert has_iommu("<capabilities/>") is None


def test_what_guests_can_have() -> None:
    assert guest_abilities(DOMAIN) == {
        "machine": "pc-q35-7.2",
        "virt_type": "kvm",
        "max_vcpus": 288,
        "uefi": True,
        "secure_boot": False,
        "tpm": True,  # what is older than libvirt 8.0 says nothing of it
        "spice": True,
        "virtiofs": False,
        "pci_passthrough": True,
        "host_passthrough": True,
        "host_model": "EPYC",
        "cpu_models": ["qemu64"],
    }
    assert guest_abilities(None) is None
