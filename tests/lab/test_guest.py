# SPDX-License-Identifier: GPL-3.0-or-later
"""The tiny image as guests run it, on a real host."""

import json
import os
import re
from pathlib import Path

import pytest

from lab.commands import run
from lab.host import Host
from tests.lab.guests import Guest, running, wait_until

pytestmark = pytest.mark.lab

MAC = "52:54:00:12:34:56"

USER_DATA = {
    "hostname": "zora",
    "ssh_authorized_keys": ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5 somebody@example.org"],
    "runcmd": [["sh", "-c", 'echo "said: $0"', "it's done"], "cat /root/.ssh/authorized_keys"],
}


@pytest.mark.slow
def test_bios_guest_takes_seed_and_address_and_obeys_agent_and_power_button(lab_host: Host, tmp_path: Path) -> None:
    seed = {
        "meta-data": "instance-id: first\nlocal-hostname: not-this\n",
        "user-data": "#cloud-config\n" + json.dumps(USER_DATA),
    }
    with running(Guest(lab_host, "lab-bios", tmp_path, seed=seed)) as guest:
        wait_until(guest.agent_answers, "the agent answers")
        wait_until(lambda: "stage=ready" in guest.console, "the boot is over")

        for stage in ("initramfs", "boot", "seed", "dhcp", "commands", "ready"):
            assert f"guest: stage={stage}" in guest.console
        assert "said: it's done" in guest.console
        assert "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5 somebody@example.org" in guest.console
        assert guest.agent("guest-get-host-name") == {"host-name": "zora"}
        mac, address = leased(lab_host, guest)
        assert reported(guest)[mac] == address

        # the seed's commands belong to the first boot alone
        lab_host.virsh("reboot", guest.name, "--mode", "agent")
        wait_until(lambda: guest.console.count("stage=ready") == 2, "the guest has rebooted")
        assert guest.console.count("stage=reboot") == 1
        assert guest.console.count("said: it's done") == 1
        assert "hostname=zora instance=first" in guest.console.rpartition("stage=boot")[2]

        lab_host.virsh("shutdown", guest.name, "--mode", "acpi")
        wait_until(lambda: guest.state() == "shut off", "the power button works")
        assert "stage=power-button" in guest.console


@pytest.mark.slow
def test_uefi_guest_boots_and_agent_shuts_it_down(lab_host: Host, tmp_path: Path) -> None:
    with running(Guest(lab_host, "lab-uefi", tmp_path, firmware="uefi")) as guest:
        wait_until(guest.agent_answers, "the agent answers")
        wait_until(lambda: "stage=dhcp" in guest.console, "the guest has an address")
        assert guest.agent("guest-get-osinfo")["id"] == "hostler-tiny"

        lab_host.virsh("shutdown", guest.name, "--mode", "agent")
        wait_until(lambda: guest.state() == "shut off", "the agent shuts down")


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="nobody reaches a guest in user-mode networking")
def test_guest_on_the_old_machine_takes_a_script_and_an_address_and_lets_its_key_in(
    lab_host: Host, tmp_path: Path
) -> None:
    assert lab_host.network
    assert lab_host.network.subnet
    address = lab_host.network.subnet[250]
    key = tmp_path / "key"
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key)
    card = {"match": {"macaddress": MAC}, "addresses": [f"{address}/24"], "gateway4": str(lab_host.network.subnet[1])}
    seed = {
        "meta-data": json.dumps({"instance-id": "i", "public-keys": [key.with_suffix(".pub").read_text().strip()]}),
        "user-data": "#!/bin/sh\necho the script ran as $(id -un)\n",
        "network-config": json.dumps({"version": 2, "ethernets": {"card": card}}),
    }
    guest = Guest(lab_host, "lab-old", tmp_path, machine="pc", disk_bus="scsi", mac=MAC, seed=seed)
    with running(guest):
        wait_until(lambda: "stage=ready" in guest.console, "the boot is over")
        assert "the script ran as root" in guest.console
        assert re.search(rf"stage=static t=\S+ nic=eth0 address={address}/24\n", guest.console)

        options = [
            "-o",
            "StrictHostKeyChecking=no",
            "-o",
            f"UserKnownHostsFile={tmp_path}/hosts",
            "-o",
            "BatchMode=yes",
        ]
        login: list[str | Path] = ["ssh", "-i", key, *options, f"root@{address}"]
        assert f"default via {lab_host.network.subnet[1]} dev eth0" in run(*login, "ip route")
        run(*login, "poweroff")
        wait_until(lambda: guest.state() == "shut off", "the command poweroff works")
        assert "stage=shutdown" in guest.console


def leased(host: Host, guest: Guest) -> tuple[str, str]:
    """Answer MAC and address of the guest's lease."""
    (line,) = host.virsh("domifaddr", guest.name, "--source", "lease").splitlines()
    _, mac, _, address = line.split()
    return mac, address.partition("/")[0]


def reported(guest: Guest) -> dict[str, str]:
    """Answer the first address by MAC, as the agent reports them."""
    return {
        nic["hardware-address"]: nic["ip-addresses"][0]["ip-address"]
        for nic in guest.agent("guest-network-get-interfaces")
    }
