# SPDX-License-Identifier: GPL-3.0-or-later
"""awx_setup makes everything once, and awx_teardown takes away what it made: the runs of these tests are one story."""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from lab.host import Host
from tests.awx.made import REPO
from tests.awx_setup.conftest import Playbook, Run
from tests.awx_setup.controller.app import Controller
from tests.awx_setup.controller.store import Object
from tests.core.actions.guests import swept, wait_until

pytestmark = [pytest.mark.lab, pytest.mark.slow]

SURVEYS = yaml.safe_load((REPO / "playbooks/vars/awx_surveys.yml").read_text())["awx_surveys"]
TEMPLATES = {
    template["action"]: f"Hostler / {template['name']}"
    for template in yaml.safe_load((REPO / "playbooks/vars/awx_templates.yml").read_text())["awx_templates"]
}
WORKFLOW = ["vm_create", "vm_wait", "vm_configure", "vm_report"]
MADE = {
    "execution_environments": 1, "credential_types": 1, "credentials": 1, "projects": 1, "inventories": 2, "hosts": 1,
    "inventory_sources": 1, "job_templates": 18, "workflow_job_templates": 1, "workflow_job_template_nodes": 4,
    "schedules": 1,
}  # fmt: skip

HYPERVISOR = {"ansible_connection": "local", "ansible_python_interpreter": "{{ ansible_playbook_python }}"}

Objects = dict[str, dict[int, Object]]


@dataclass(frozen=True)
class Story:
    """Each run, and what the controller had after it."""

    checked: Run
    after_check: Objects
    first: Run
    made: Objects
    changed: Run
    after_change: Objects
    again: Run
    requests_of_again: set[str]


@pytest.fixture(scope="module")
def story(controller: Controller, playbook: Playbook, lab_host: Host) -> Story:
    """Check mode on an empty controller, the real run, one with another image, and check mode with that once more.

    The latter two have fewer templates, for the time that each takes.
    """

    def objects() -> Objects:
        return copy.deepcopy(controller.store.objects)

    extra: dict[str, Any] = {
        "awx_credential_inputs": {"libvirt_uri": lab_host.uri, "service_token": "a-secret-of-the-service"},
        # what a site has settled is not asked any more
        "awx_template_variables": {"vm_virt_type": lab_host.virt_type, "vm_image_pool": "images"},
        "awx_hypervisors": [
            {
                "name": "kvm1.example.com",
                "variables": {
                    "libvirt_uri": lab_host.uri,
                    **{name: f"{{% raw %}}{value}{{% endraw %}}" for name, value in HYPERVISOR.items()},
                },
            }
        ],
    }
    checked = playbook("awx_setup", "--check", extra=extra)
    after_check = objects()
    first = playbook("awx_setup", "-v", extra=extra)
    made = objects()
    few = [
        template
        for template in yaml.safe_load((REPO / "playbooks/vars/awx_templates.yml").read_text())["awx_templates"]
        if template["action"] in {*WORKFLOW, "vm_snapshot"}
    ]
    extra |= {"awx_templates": few, "awx_execution_environment_image": "registry.example.com/hostler-ee:2"}
    changed = playbook("awx_setup", extra=extra)
    after_change = objects()
    before = len(controller.requests)
    again = playbook("awx_setup", "--check", extra=extra)
    methods = {method for method, _ in controller.requests[before:]}
    return Story(checked, after_check, first, made, changed, after_change, again, methods)


@pytest.fixture(scope="module")
def client(controller: Controller, story: Story) -> Iterator[httpx.Client]:
    """A client of the API, as people and portals use it."""
    authorization = {"Authorization": f"Bearer {controller.access.token}"}
    with httpx.Client(base_url=f"{controller.url}/api/v2", headers=authorization) as client:
        yield client


def by_name(objects: Objects, kind: str) -> dict[str, Object]:
    return {one["name"]: one for one in objects[kind].values()}


def finished(client: httpx.Client, launched: httpx.Response) -> dict[str, Any]:
    assert launched.status_code in (201, 202), launched.text
    url = launched.json()["url"]
    deadline = time.monotonic() + 300
    while not (job := client.get(f"{client.base_url.copy_with(path=url)}").json())["event_processing_finished"]:
        assert time.monotonic() < deadline, job
        time.sleep(0.2)
    job["stdout"] = client.get(f"{client.base_url.copy_with(path=url + 'stdout/')}").text if "nodes" not in job else ""
    found: dict[str, Any] = job
    return found


def launch(client: httpx.Client, story: Story, action: str, **sent: Any) -> dict[str, Any]:
    template = by_name(story.made, "job_templates")[TEMPLATES[action]]
    return finished(client, client.post(f"/job_templates/{template['id']}/launch/", json=sent))


def test_check_mode_says_what_would_be_made_and_makes_nothing(story: Story) -> None:
    assert story.checked.code == 0, story.checked.output
    assert story.checked.changed == 1
    for name in TEMPLATES.values():
        assert name in story.checked.output
    assert {kind: len(objects) for kind, objects in story.after_check.items() if objects} == {"organizations": 1}


def test_everything_is_made(story: Story) -> None:
    assert story.first.code == 0, story.first.output
    assert {kind: len(objects) for kind, objects in story.made.items() if objects} == MADE | {"organizations": 1}
    assert set(by_name(story.made, "job_templates")) == set(TEMPLATES.values())


def test_no_secret_is_shown(story: Story) -> None:
    assert "a-secret-of-the-service" not in story.first.output
    credential = by_name(story.made, "credentials")["Hostler / Hypervisors"]
    assert credential["inputs"]["service_token"] == "a-secret-of-the-service"


def test_each_template_has_its_survey_and_takes_nothing_else(story: Story, lab_host: Host) -> None:
    templates = by_name(story.made, "job_templates")
    [credential] = story.made["credentials"]
    hypervisors = by_name(story.made, "inventories")["Hostler / Hypervisors"]["id"]

    for action, name in TEMPLATES.items():
        template = templates[name]
        asked = [question for question in SURVEYS[action]["spec"] if question["variable"] != "vm_image_pool"]
        assert template["survey_spec"] == {**SURVEYS[action], "spec": asked}, action
        assert template["survey_enabled"] is True
        assert template["playbook"] == f"playbooks/{action}.yml"
        assert (template["many"]["credentials"], template["inventory"]) == ([credential], hypervisors)
        assert (template["ask_variables_on_launch"], template["allow_simultaneous"]) == (False, True)
        assert json.loads(template["extra_vars"]) == {"vm_virt_type": lab_host.virt_type, "vm_image_pool": "images"}
        assert template["ask_credential_on_launch"] is False
    assert set(SURVEYS) == set(TEMPLATES)


def test_the_workflow_goes_from_create_to_report(story: Story) -> None:
    [workflow] = story.made["workflow_job_templates"].values()
    nodes = {node["identifier"]: node for node in story.made["workflow_job_template_nodes"].values()}
    templates = by_name(story.made, "job_templates")

    assert [question["variable"] for question in workflow["survey_spec"]["spec"]] == [
        question["variable"] for question in SURVEYS["vm_create"]["spec"] if question["variable"] != "vm_image_pool"
    ]
    assert set(nodes) == set(WORKFLOW)
    for action, following in zip(WORKFLOW, [*WORKFLOW[1:], None], strict=True):
        assert nodes[action]["unified_job_template"] == templates[TEMPLATES[action]]["id"]
        assert nodes[action]["many"]["success_nodes"] == ([nodes[following]["id"]] if following else [])


def test_the_inventory_comes_from_the_project(story: Story) -> None:
    [source] = story.made["inventory_sources"].values()
    [project] = story.made["projects"]

    assert (source["source"], source["source_path"], source["source_project"]) == ("scm", "inventory/vms.yml", project)
    assert source["inventory"] == by_name(story.made, "inventories")["Hostler / VMs"]["id"]


def test_hypervisors_are_hosts_that_vms_can_be_migrated_to(story: Story, lab_host: Host) -> None:
    [host] = story.made["hosts"].values()

    assert host["name"] == "kvm1.example.com"
    assert json.loads(host["variables"]) == {"libvirt_uri": lab_host.uri, **HYPERVISOR}
    assert host["inventory"] == by_name(story.made, "inventories")["Hostler / Hypervisors"]["id"]


def test_the_schedule_is_off_until_somebody_wants_it(story: Story) -> None:
    [schedule] = story.made["schedules"].values()

    assert schedule["enabled"] is False
    assert schedule["extra_data"] == {"vm_name": "web-1", "vm_snapshot_series": "nightly", "vm_snapshot_keep": 7}


def test_another_value_changes_its_object_and_no_other(story: Story) -> None:
    assert story.changed.code == 0, story.changed.output
    assert story.changed.changed == 1, story.changed.output
    assert story.changed.changed_of("Have the execution environment") == [""]
    expected = copy.deepcopy(story.made)
    [environment] = expected["execution_environments"].values()
    environment["image"] = "registry.example.com/hostler-ee:2"
    assert story.after_change == expected


def test_check_mode_has_nothing_to_say_where_all_is_as_it_should_be(story: Story) -> None:
    assert story.again.code == 0, story.again.output
    assert story.again.changed == 0, story.again.output
    assert story.requests_of_again == {"GET"}


def test_a_launch_takes_what_its_survey_asks_for_and_runs_with_the_credential(
    client: httpx.Client, story: Story, lab_host: Host
) -> None:
    job = launch(client, story, "vm_report", extra_vars={"vm_name": "nobody"}, job_type="check")

    assert job["status"] == "failed"
    assert "The VM 'nobody' is not there." in job["stdout"]
    answer = client.post(
        f"/job_templates/{by_name(story.made, 'job_templates')[TEMPLATES['vm_create']]['id']}/launch/",
        json={"extra_vars": {"vm_name": "x", "vm_cpu_cores": 0, "vm_memory_mb": 128, "vm_disk_gb": 1}},
    )
    assert answer.status_code == 400
    assert "too small (must be at least 1)" in answer.text
    answer = client.post(
        f"/job_templates/{by_name(story.made, 'job_templates')[TEMPLATES['vm_report']]['id']}/launch/",
        json={"extra_vars": {"vm_name": "nobody", "libvirt_uri": "qemu+ext:///system?command=/bin/false"}},
    )
    assert set(answer.json()["ignored_fields"]["extra_vars"]) == {"libvirt_uri"}
    assert finished(client, answer)["status"] == "failed"
    assert client.post(f"/jobs/{job['id']}/cancel/").status_code == 405


def test_the_workflow_makes_a_vm_and_tells_each_step_of_it(
    client: httpx.Client, controller: Controller, story: Story, lab_host: Host
) -> None:
    answers = {
        "vm_name": "from-awx", "vm_cpu_cores": 1, "vm_memory_mb": 128, "vm_disk_gb": 0.25, "vm_image": "tiny.qcow2",
    }  # fmt: skip
    [workflow] = story.made["workflow_job_templates"]

    with swept(lab_host.uri):
        launched = client.post(f"/workflow_job_templates/{workflow}/launch/", json={"extra_vars": answers})
        job = finished(client, launched)
        steps = {action: controller.jobs.jobs[number] for action, number in job["nodes"].items()}
        outputs = {
            action: "\n".join(event["stdout"] for event in controller.jobs.events[step["id"]])
            for action, step in steps.items()
        }
        source = next(iter(story.made["inventory_sources"]))
        update = finished(client, client.post(f"/inventory_sources/{source}/update/"))
        hosts = client.get("/hosts/", params={"inventory__name": "Hostler / VMs"}).json()["results"]

    assert launched.json()["ignored_fields"] == {}
    assert job["status"] == "successful", outputs
    assert list(steps) == WORKFLOW
    made = steps["vm_create"]["artifacts"]["vm"]
    assert steps["vm_report"]["artifacts"]["vm"]["uuid"] == made["uuid"]
    assert json.loads(steps["vm_report"]["extra_vars"])["vm"]["ip_address"]
    assert f"UUID {made['uuid']}" in outputs["vm_report"].replace("\n", " ")
    assert update["status"] == "successful", update["stdout"]
    assert [host["name"] for host in hosts] == ["from-awx"]


def test_teardown_removes_only_what_setup_made(
    client: httpx.Client, controller: Controller, playbook: Playbook, story: Story, tmp_path: Path
) -> None:
    organization = next(iter(story.made["organizations"]))
    others = {"name": "Somebody's", "organization": organization}
    for kind, further in (("projects", {"scm_type": ""}), ("inventories", {})):
        assert client.post(f"/{kind}/", json=others | further).status_code == 201
    user = {"name": "Their job", "project": next(iter(story.made["projects"])), "playbook": "playbooks/vm_create.yml"}
    theirs = client.post("/job_templates/", json=user | {"ask_inventory_on_launch": True}).json()

    refused = playbook("awx_teardown")
    assert refused.code != 0
    assert "job templates use the project: Their job." in refused.output
    assert len(controller.store.objects["schedules"]) == 1

    assert client.delete(f"/job_templates/{theirs['id']}/").status_code == 204
    gone = playbook("awx_teardown")
    assert gone.code == 0, gone.output
    # an inventory goes in the background
    wait_until(lambda: not client.get("/inventories/?pending_deletion=true").json()["count"], "the inventory is gone")
    left = {kind: [one["name"] for one in objects.values()] for kind, objects in controller.store.objects.items()}
    assert {kind: names for kind, names in left.items() if names} == {
        "organizations": ["Default"], "projects": ["Somebody's"], "inventories": ["Somebody's"],
    }  # fmt: skip

    twice = playbook("awx_teardown")
    assert twice.code == 0, twice.output
    assert twice.changed == 0
