# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said of a VM as it should be, and of where its parts go."""

from __future__ import annotations


class ModuleDocFragment:
    """Documentation of the options that describe a VM."""

    DOCUMENTATION = r"""
options:
  cpu_cores:
    description: Virtual CPUs, 1 to 512. A new VM needs it; an existing one keeps what it has where it is left out.
    type: int
  memory_mb:
    description: Memory in MiB, at least 32. A new VM needs it; an existing one keeps what it has where it is left out.
    type: int
  disk_gb:
    description:
      - Size of the root disk in GiB, rounded up to a whole MiB; at least that of its image.
      - A new VM needs it; an existing one keeps what it has where it is left out. A disk never shrinks.
    type: float
  image:
    description: The base image of a new VM's root disk, a volume of O(image_pool). Blank where it is left out.
    type: str
  image_mode:
    description:
      - V(copy), which a new VM gets where it is left out, makes the root disk independent of its image.
      - V(backing) makes it an overlay, which is quicker and smaller, and needs the image for as long as the VM lives.
    type: str
    choices: [copy, backing]
  os_type:
    description:
      - The family of the guest's system (V(linux), V(windows), V(freebsd) and so on); V(linux) of a new VM where it is
        left out.
      - V(windows) gets a new VM a clock in local time.
    type: str
  os_version:
    description: The guest's system in words.
    type: str
  firmware:
    description:
      - The guest's firmware; V(bios) of a new VM where it is left out.
      - An existing VM must have it, or the task fails.
    type: str
    choices: [bios, uefi]
  secure_boot:
    description:
      - Whether the firmware of a new VM, which is V(uefi), starts only what was signed by those it knows; not where
        it is left out.
      - An existing VM must be so, or the task fails.
    type: bool
  tpm:
    description:
      - Whether a new VM has a TPM 2.0, which the host emulates; not where it is left out.
      - An existing VM must be so, or the task fails.
    type: bool
  machine:
    description:
      - The machine type; V(q35) of a new VM where it is left out.
      - V(q35), V(pc) (i440fx), or one of these in full, such as V(pc-q35-7.2), as the host's capabilities have it.
        The short names mean the newest version that the host has when the VM is made.
      - An existing VM must have it, of whichever version where a short name is given, or the task fails.
    type: str
  graphics:
    description:
      - How the VM's screen is reached; a new one's by VNC at C(127.0.0.1) where it is left out.
      - Of an existing VM's display, what is named is changed. A VM that runs gets another password in place of one at
        once, all else with its next boot, and RV(next_boot) says so.
    type: dict
    suboptions:
      type:
        description:
          - The protocol; V(none) is a VM without a display.
          - Neither V(vnc) nor V(spice) is encrypted here, so whoever can listen in on the way can see the screen.
        type: str
        choices: [vnc, spice, none]
        default: vnc
      listen:
        description: The host's address at which it listens, such as C(0.0.0.0) for all; a new one's is C(127.0.0.1).
        type: str
      port:
        description: Its TCP port, for V(vnc) from 5900; any free one where it is 0, as a new one has it.
        type: int
      websocket:
        description: Whether browsers reach it, too, by a WebSocket at a free port of its own; for V(vnc) only.
        type: bool
      keymap:
        description: The keyboard's layout, such as V(de) or V(en-us); an empty text for that of the viewer.
        type: str
      password:
        description:
          - What viewers have to know, of 8 characters at most for V(vnc) and 60 for V(spice), where one that is not
            ASCII counts for 2 to 4; an empty text for nothing.
          - It is kept on the host as it is, and never shown.
        type: str
  max_cpu_cores:
    description:
      - To how many virtual CPUs a new VM can grow while it runs, 1 to 512; to those it has where it is left out.
      - An existing VM must be so, or the task fails.
    type: int
  max_memory_mb:
    description:
      - To how much memory, in MiB, a new VM can grow while it runs, at least 32; to what it has where it is left out.
      - An existing VM must be so, or the task fails.
    type: int
  network_config:
    description:
      - How the VM's first card is connected; a new VM's to the host's NAT network where it is left out.
      - An existing card keeps its address unless it is given one. Where it can't be changed while the VM runs, the
        next boot does, and RV(next_boot) says so.
    type: dict
    suboptions: &card
      type:
        description:
          - V(nat) is the host's NAT network, V(bridge) a bridge of the host, V(network) a libvirt network, V(none) no
            card.
        type: str
        choices: [nat, bridge, network, none]
        default: nat
      bridge_name:
        description: The host's bridge, for type V(bridge).
        type: str
      network_name:
        description: The libvirt network, for type V(network).
        type: str
      model:
        description:
          - What the guest takes the card for.
          - V(e1000e) and V(rtl8139) are for guests without drivers for V(virtio).
        type: str
        choices: [virtio, e1000e, rtl8139]
        default: virtio
      mac_address:
        description: The card's address, of no other card of the network; a random one where it is left out.
        type: str
  nics:
    description:
      - Further network cards, after that of O(network_config); 15 at most. With type V(none) there, all cards are
        these.
      - Of an existing VM an entry is the card of its O(nics[].mac_address), else the next of its further cards. One
        that the VM lacks is made; one that it has is plugged in as the entry says, and gets the entry's model unless
        that is V(virtio). Its address never changes.
      - Cards beyond the list stay, unless O(nics_exclusive=true).
    type: list
    elements: dict
    suboptions: *card
  disks:
    description:
      - Further disks, after the root disk; 24 at most.
      - Of an existing VM an entry is the next of its further disks on that bus, in the order of their names, else the
        next of those left. One that the VM lacks is made, one that is smaller than its entry says grows. What can't
        be (a smaller size, another bus, an overlay of another image) is refused; a copy of an image is not compared
        with it.
      - Disks beyond the list stay, unless O(disks_exclusive=true).
    type: list
    elements: dict
    suboptions:
      size_gb:
        description: Size of the disk in GiB, rounded up to a whole MiB; at least that of its image.
        type: float
        required: true
      image:
        description: The base image of the disk, a volume of O(image_pool). Blank where it is left out.
        type: str
      image_mode:
        description: How the disk is made of its image, as the root disk is of its own.
        type: str
        choices: [copy, backing]
        default: copy
      bus:
        description:
          - How the disk is attached.
          - V(sata) is for guests without drivers for V(virtio) and its V(scsi).
        type: str
        choices: [virtio, scsi, sata]
        default: virtio
  devices:
    description:
      - Further devices, 32 at most.
      - An existing VM gets those that it has not, and keeps the others, unless O(devices_exclusive=true). They are
        written into its definition; one that runs gets them at its next boot, and RV(next_boot) says so.
      - A device of the host that is not there, or that another VM uses, is only noticed when the VM starts.
    type: list
    elements: dict
    suboptions:
      type:
        description:
          - V(pci) and V(usb) are devices of the host, V(virtiofs) is a folder of it, V(watchdog) resets a guest that
            hangs.
          - For V(pci) the host needs an IOMMU. V(virtiofs) needs virtiofsd on the host, and has the guest's memory
            shared.
        type: str
        choices: [pci, usb, virtiofs, watchdog, sound]
        required: true
      address:
        description: Where the host has the device, for type V(pci), such as V(0000:65:00.0).
        type: str
      vendor:
        description: The maker's number, for type V(usb), such as V(0x1d6b), in quotes.
        type: str
      product:
        description: The maker's number for the device, with O(devices[].vendor).
        type: str
      bus:
        description: The host's bus that the device is on, for type V(usb); plugged in again it may be on another.
        type: int
      device:
        description: Its number there, with O(devices[].bus).
        type: int
      source:
        description: The host's folder, for type V(virtiofs).
        type: str
      tag:
        description: What the guest mounts it by, for type V(virtiofs); a VM has each tag once.
        type: str
      model:
        description:
          - What the guest takes it for.
          - For type V(watchdog) V(i6300esb), which is the usual one, or V(ib700). A VM has one of that type.
          - For type V(sound) V(ich9), which is the usual one, V(ich6), V(ac97) or V(usb).
        type: str
      action:
        description: What happens when the guest no longer feeds the V(watchdog); a new one's is V(reset).
        type: str
        choices: [reset, shutdown, poweroff, pause, none, dump, inject-nmi]
  cloud_init:
    description: What a new guest's cloud-init is told, on a NoCloud seed that is attached as a CD-ROM. Needs pycdlib.
    type: dict
    suboptions:
      hostname:
        description: The guest's host name; the VM's name where it is left out.
        type: str
      ssh_authorized_keys:
        description: Public keys that may log in as the image's default user.
        type: list
        elements: str
      user_data:
        description: cloud-init user data, passed on as it is (C(#cloud-config), a script, MIME).
        type: str
      network_config:
        description:
          - cloud-init network configuration (version 1 or 2), passed on as it is.
          - It may hold passwords of networks, so it is never shown.
        type: str
  description:
    description: What the VM is for; an empty text takes away what it says.
    type: str
  tags:
    description:
      - Labels to find the VM by, 64 at most, each of 1 to 63 letters, digits and C(._:/=-).
      - An existing VM gets those that it has not, and keeps the others, unless O(tags_exclusive=true).
    type: list
    elements: str
  metadata:
    description:
      - Texts by keys that a site keeps with the VM for its own use, 64 at most, each of 4096 characters at most. A
        key has 1 to 63 letters, digits and C(._:/-).
      - An existing VM gets what is named. A key whose value is empty or null is taken away; the others stay, unless
        O(metadata_exclusive=true).
      - They stand in the VM's record, which a read-only connection can see, and in answers and diffs. They are no
        place for secrets.
    type: dict
  autostart:
    description: Whether the VM starts with its host; a new one does not where it is left out.
    type: bool
  protected:
    description: Whether the VM is guarded against deletion; a new one is not where it is left out.
    type: bool
  template:
    description:
      - Whether the VM is a template, upon which M(hostler.libvirt.vm_clone) builds linked clones; a new one is not
        where it is left out.
      - A template is off. It can't be started, have snapshots taken of it, or get other disks and devices, and it has
        to stay one while clones are built upon its disks.
    type: bool
  pool:
    description: The storage pool for the disks of a new VM.
    type: str
    default: default
  image_pool:
    description: The storage pool of the base images.
    type: str
    default: default
  network:
    description: The host's NAT network.
    type: str
    default: default
  virt_type:
    description:
      - The domain type of a new VM.
      - V(auto) is V(kvm) where a guest that is tried shows that it works, and V(qemu), plain emulation, elsewhere.
    type: str
    choices: [auto, kvm, qemu]
    default: auto
  tags_exclusive:
    description: Whether O(tags) is complete, so that others of an existing VM are taken away.
    type: bool
    default: false
  metadata_exclusive:
    description: Whether O(metadata) is complete, so that other keys of an existing VM are taken away.
    type: bool
    default: false
  disks_exclusive:
    description:
      - Whether O(disks) is complete, so that further disks of an existing VM that are not in it are detached.
      - What a detached disk held stays in its volume, unless O(delete_detached_disks=true).
    type: bool
    default: false
  nics_exclusive:
    description: Whether O(nics) is complete, so that further cards of an existing VM that are not in it are detached.
    type: bool
    default: false
  delete_detached_disks:
    description:
      - Whether the volumes of disks that O(disks_exclusive) detaches are deleted.
      - Only those that are the VM's own, as with O(delete_disks), and that none of its snapshots needs; never those
        of a VM that is protected.
    type: bool
    default: false
  devices_exclusive:
    description:
      - Whether O(devices) is complete, so that devices of those types that are not in it are taken away from an
        existing VM.
      - A watchdog or sound card that belongs to the machine, or is of a model that can't be listed, stays.
    type: bool
    default: false
  xml:
    description:
      - The VM as libvirt's own domain XML, for those who bring it. It is defined from that, and defined anew when the
        XML or the definition is another than it was; the diff shows both, without what may be secret.
      - libvirt validates it. It needs a C(<name>), which is that of O(name) if that is given. A C(<uuid>) in it is
        that of O(uuid) if that is given; left out, an existing VM keeps its own.
      - Of an existing VM cards for which it has no address keep theirs, in their order, and so does the VM what is
        not in the XML, such as its tags, its autostart and its disks' content. A VM that runs gets it with its next
        boot.
      - Disks that it names have to be there; nothing is made, and those of a VM that goes are deleted as
        O(delete_disks) says.
      - It does not go with options that say what the XML says.
    type: str
"""
