# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory plugin, run by Ansible: three hosts of a lab of which not all answer, hostile VMs, the cache."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.host import Host
from lab.lab import Lab
from tests.collection.conftest import Ansible, Run
from tests.core.actions.guests import swept

# each is XML of libvirt's test driver, whose domains nobody has to make
HOSTILE = {
    "{{ lookup('pipe', 'touch pwned') }}": "{{ lookup('pipe', 'touch pwned') }}",
    "localhost": "{% for a in range(9) %}x{% endfor %}",
    "-oProxyCommand=touch pwned": "!unsafe {{ 7 * 7 }}",
    "web:&all,!db": "nothing",
}
DOMAIN = (
    "<domain type='test'><name>{name}</name><uuid>{uuid}</uuid><metadata><h:vm xmlns:h='urn:hostler:vm:1' version='1'>"
    "<h:uuid>{uuid}</h:uuid><h:created>2024-05-06T07:08:09Z</h:created><h:osType>linux</h:osType><h:description>{text}</h:description>"
    "<h:tag>{tag}</h:tag></h:vm></metadata>"
    "<memory>262144</memory><os><type>hvm</type></os></domain>"
)

Listed = Callable[..., tuple[dict[str, Any], Run]]


@pytest.fixture
def listed(ansible: Ansible, tmp_path: Path) -> Listed:
    """What ansible-inventory makes of a configuration, and how its run was."""

    def run(**options: Any) -> tuple[dict[str, Any], Run]:
        config = tmp_path / "vms.yml"
        config.write_text(yaml.safe_dump({"plugin": "hostler.libvirt.vms", **options}))
        shown = tmp_path / "shown.json"
        done = ansible("-i", config, "--list", "--export", "--output", shown, program="ansible-inventory")
        return json.loads(shown.read_text()) if shown.exists() else {}, done

    return run


def variables_of(shown: dict[str, Any]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = shown["_meta"]["hostvars"]
    return found


def plain(value: Any) -> Any:
    """The value without the marks that ansible-inventory puts on what is no template."""
    if isinstance(value, dict):
        return value.get("__ansible_unsafe", {key: plain(one) for key, one in value.items()})
    return [plain(one) for one in value] if isinstance(value, list) else value


def host_of(path: Path, *domains: str) -> str:
    """The URI of a host of libvirt's test driver with these domains."""
    path.write_text(f"<node>{''.join(domains)}</node>")
    return f"test://{path}"


def domain(name: str, number: int = 1, text: str = "", tag: str = "web") -> str:
    """One domain's XML; ``text`` describes it."""
    return DOMAIN.format(
        name=name.replace("&", "&amp;"), uuid=f"00000000-0000-4000-8000-{number:012}", text=text, tag=tag
    )


def test_vms_of_hosts_are_grouped_named_and_have_their_hosts_variables(listed: Listed, tmp_path: Path) -> None:
    one = host_of(tmp_path / "one", domain("web-1", 1, "first"), domain("both", 2, tag="prod:eu-1"))
    two = host_of(tmp_path / "two", domain("both", 3))

    shown, done = listed(
        hypervisors=[
            {"uri": one, "name": "kvm-1", "vars": {"ansible_user": "{{ 'dep' ~ 'loy' }}"}},
            {"uri": two, "name": "kvm2"},
        ],
        group_by=["host", "status", "os_type", "tag"],
        compose={"note": "hostler_vm.description ~ '!'"},
        groups={"large": "hostler_vm.memory_mb > 100"},
        keyed_groups=[{"key": "hostler_vm.virt_type", "prefix": "type"}],
        connection="guest_agent",
    )  # fmt: skip

    assert done.code == 0, done.output
    assert "No VM alone can be called both in the inventory; called instead: both_kvm-1, both_kvm2" in done.output
    assert set(variables_of(shown)) == {"web-1", "both_kvm-1", "both_kvm2"}
    assert {name: sorted(group["hosts"]) for name, group in shown.items() if "hosts" in group} == {
        "host_kvm_1": ["both_kvm-1", "web-1"],
        "host_kvm2": ["both_kvm2"],
        "status_running": ["both_kvm-1", "both_kvm2", "web-1"],
        "os_type_linux": ["both_kvm-1", "both_kvm2", "web-1"],
        "tag_web": ["both_kvm2", "web-1"],
        "tag_prod_eu_1": ["both_kvm-1"],
        "large": ["both_kvm-1", "both_kvm2", "web-1"],
        "type_test": ["both_kvm-1", "both_kvm2", "web-1"],
    }
    web = plain(variables_of(shown)["web-1"])
    assert (web["hostler_host"], web["hostler_uri"], web["hostler_uuid"]) == (
        "kvm-1",
        one,
        "00000000-0000-4000-8000-000000000001",
    )
    assert (web["note"], web["ansible_connection"]) == ("first!", "hostler.libvirt.guest_agent")
    assert (web["hostler_vm"]["name"], web["hostler_vm"]["tags"]) == ("web-1", ["web"])
    assert variables_of(shown)["web-1"]["ansible_user"] == "{{ 'dep' ~ 'loy' }}"  # still a template, as it is ours


def test_what_vms_are_called_and_say_of_themselves_is_never_a_template(ansible: Ansible, tmp_path: Path) -> None:
    uri = host_of(
        tmp_path / "host", *(domain(name, number, text) for number, (name, text) in enumerate(HOSTILE.items()))
    )
    (tmp_path / "vms.yml").write_text(
        yaml.safe_dump(
            {
                "plugin": "hostler.libvirt.vms",
                "hypervisors": [{"uri": uri, "name": "kvm1"}],
                "compose": {"whole": "hostler_vm.name", "part": "'<' ~ hostler_vm.description ~ '>'"},
                "keyed_groups": [{"key": "hostler_vm.description", "prefix": "d"}],
            }
        )
    )
    task = {
        "ansible.builtin.copy": {
            "content": "{{ {inventory_hostname: [hostler_vm, whole, part, group_names]} | to_json }}",
            "dest": f"{tmp_path}/said-{{{{ hostler_uuid }}}}",
            "mode": "0600",
        },
        "delegate_to": "localhost",
    }
    play = {"hosts": "all", "gather_facts": False, "tasks": [task]}
    (tmp_path / "play.yml").write_text(yaml.safe_dump([play]))

    done = ansible("-i", tmp_path / "vms.yml", tmp_path / "play.yml")

    assert done.code == 0, done.output
    said: dict[str, Any] = {}
    for file in tmp_path.glob("said-*"):
        said |= json.loads(file.read_text())
    assert set(said) == {
        "___lookup__pipe____touch_pwned_____",
        "localhost_kvm1",
        "_oProxyCommand_touch_pwned",
        "web__all__db",
    }
    for vm, whole, part, groups in said.values():
        assert (vm["name"], vm["description"]) == (whole, HOSTILE[whole])
        assert part == f"<{HOSTILE[whole]}>"
        assert all(group.isidentifier() for group in groups)
    assert not list(tmp_path.glob("**/pwned"))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"hypervisors": [{"name": "kvm1"}]}, "hypervisors.0.uri: must be a libvirt URI"),
        ({"uuid": ["x"]}, "uuid.0: is not a UUID"),
        ({"timeout": 0}, "timeout: must be at least 1"),
        ({"address_networks": ["10.0.0.1/8"]}, "address_networks.0: is no subnet"),
        ({"status": ["up"]}, "status"),
    ],
)
def test_what_can_not_be_is_said_before_any_host_is_asked(options: dict[str, Any], says: str, listed: Listed) -> None:
    shown, done = listed(**{"hypervisors": ["test:///nowhere"], **options})

    assert says in " ".join(done.output.split())
    assert "nowhere" not in done.output
    assert variables_of(shown) == {}


def test_the_cache_has_what_hosts_told_and_no_variable_of_ours(listed: Listed, tmp_path: Path) -> None:
    cached = {"cache": True, "cache_plugin": "ansible.builtin.jsonfile", "cache_connection": str(tmp_path / "cache")}
    late = tmp_path / "late"
    options: dict[str, Any] = {
        "hypervisors": [
            {"uri": host_of(tmp_path / "one", domain("first")), "name": "one", "vars": {"ansible_password": "s3cret"}},
            {"uri": f"test://{late}", "name": "late"},
        ],
        **cached,
    }
    before, _done = listed(**options)
    host_of(tmp_path / "one", domain("second"))
    host_of(late, domain("third"))
    after, done = listed(**options)
    narrowed, _done = listed(**{**options, "tags": ["web"], "name": ["second"]})

    assert set(variables_of(before)) == {"first"}
    # one that was cached is not asked again, one that could not be asked is, and another question is another answer
    assert set(variables_of(after)) == {"first", "third"}, done.output
    assert set(variables_of(narrowed)) == {"second"}
    assert plain(variables_of(after)["first"])["ansible_password"] == "s3cret"
    assert "s3cret" not in "".join(file.read_text() for file in (tmp_path / "cache").iterdir())


def test_no_file_of_another_name_is_taken(ansible: Ansible, tmp_path: Path) -> None:
    (tmp_path / "other.yml").write_text("plugin: hostler.libvirt.vms\nhypervisors: []\n")

    done = ansible("-i", tmp_path / "other.yml", "--list", program="ansible-inventory")

    assert "could not be verified by inventory plugin" in " ".join(done.output.split())


@pytest.mark.lab
@pytest.mark.slow
def test_hosts_that_are_down_or_hang_cost_a_warning_and_no_more_than_their_time(
    listed: Listed, lab: Lab, tmp_path: Path
) -> None:
    lab.up(hosts=3)
    up, hung, down = lab.hosts[:3]
    xml = f"<domain type='{up.virt_type}'><name>here</name><memory>65536</memory><os><type>hvm</type></os></domain>"
    (tmp_path / "here.xml").write_text(xml)
    options: dict[str, Any] = {
        "hypervisors": [{"uri": host.uri, "name": host.name} for host in (up, hung, down)],
        "name": ["here"],
        "timeout": 3,
        "guest_timeout": 1,
    }
    with swept(up.uri):
        up.virsh("define", tmp_path / "here.xml")
        hung.pause_libvirtd()
        down.kill_libvirtd()
        try:
            shown, done = listed(**options)
            refused, failed = listed(**options, fail_on_unreachable=True)
        finally:
            hung.continue_libvirtd()
            down.start_libvirtd()

    output = " ".join(done.output.split())
    assert set(variables_of(shown)) == {"here"}
    assert f"{hung.name}: Failed to connect to the host: no answer within 3 s; its VMs are missing" in output
    assert f"{down.name}: Failed to connect to the host" in output
    assert variables_of(refused) == {}
    assert f"{hung.name}: Failed to connect" in " ".join(failed.output.split())


@pytest.mark.skipif(os.geteuid() != 0, reason="a user's host has no network")
@pytest.mark.lab
@pytest.mark.slow
def test_a_guest_is_reached_at_its_address(listed: Listed, tasks: Any, lab_host: Host) -> None:
    made = tasks(
        made={
            "name": "addressed", "cpu_cores": 1, "memory_mb": 128, "disk_gb": 0.25, "virt_type": lab_host.virt_type,
            "image": "tiny.qcow2", "image_mode": "backing", "image_pool": "images",
            "state": "running", "wait_for": "address", "wait_timeout": 100,
        }
    )["made"]  # fmt: skip

    shown, done = listed(hypervisors=[lab_host.uri], status=["running"], address_sources=["lease"])

    assert plain(variables_of(shown)["addressed"])["ansible_host"] == made["vm"]["ip_address"], done.output
