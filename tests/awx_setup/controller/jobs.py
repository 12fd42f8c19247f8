# SPDX-License-Identifier: GPL-3.0-or-later
"""What the controller runs: updates of projects and inventories, playbooks by ansible-runner, and workflows."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import ansible_runner

from tests.awx_setup.controller import credential_types, surveys
from tests.awx_setup.controller.errors import RefusedError, invalid, refused
from tests.awx_setup.controller.job_events import extra_vars_file, stored
from tests.awx_setup.controller.rules import accept
from tests.awx_setup.controller.store import Object, Store
from tests.habits.test_awx_playbooks import offered

Job = dict[str, Any]

UNFINISHED = ("new", "pending", "waiting", "running")
ENDPOINTS = {
    "job": "jobs", "workflow_job": "workflow_jobs", "project_update": "project_updates",
    "inventory_update": "inventory_updates",
}  # fmt: skip
POLL_S = 0.1


class Jobs:
    """Everything that was started. A job is its fields as the API shows them; ``events`` are kept beside."""

    def __init__(self, store: Store, folder: Path) -> None:
        self._store = store
        self._folder = folder
        self._threads: list[threading.Thread] = []
        self._cancelled: set[int] = set()
        self.allow_jinja = "template"
        """The controller's setting ALLOW_JINJA_IN_EXTRA_VARS."""
        self.lost_for_good = False
        """Whether events go on being stored for ever, as where AWX has lost one."""
        self.jobs: dict[int, Job] = {}
        self.events: dict[int, list[dict[str, Any]]] = {}

    def get(self, kind: str, number: int) -> Job:
        job = self.jobs.get(number)
        if job is None or ENDPOINTS[job["type"]] != kind:
            raise refused(404, "Not found.")
        return job

    def update_project(self, project: Object) -> Job:
        """Read a project's playbooks anew. It is over at once; the checkout is the folder that its address names."""
        job = self._new("project_update", project, scm_revision="")
        checkout = Path(project["scm_url"])
        if not (checkout / ".git").exists():
            return self._end(job, "failed")
        listed = subprocess.run(
            ["/usr/bin/git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
            cwd=checkout, stdout=subprocess.PIPE, check=True, text=True,
        ).stdout  # fmt: skip
        paths = [Path(name) for name in listed.split("\0") if name.endswith((".yml", ".yaml"))]
        project["playbook_files"] = sorted(
            str(path)
            for path in paths
            if not (checkout / path).is_symlink()
            and (checkout / path).is_file()
            and offered(path, (checkout / path).read_text())
        )
        revision = subprocess.run(
            ["/usr/bin/git", "rev-parse", "HEAD"], cwd=checkout, stdout=subprocess.PIPE, check=True, text=True
        ).stdout.strip()
        project |= {"scm_revision": revision, "status": "successful"}
        job["scm_revision"] = revision
        return self._end(job, "successful")

    def update_inventory(self, source: Object) -> Job:
        """Read a source's hosts anew with ansible-inventory, in the environment that its credential gives."""
        job = self._new("inventory_update", source)

        def run() -> None:
            job["status"] = "running"
            project = self._store.get("projects", source["source_project"])
            done = subprocess.run(
                [Path(sys.executable).with_name("ansible-inventory"), "-i", source["source_path"], "--list"],
                cwd=project["scm_url"],
                env=os.environ | self._environment(job, [source["credential"]]),
                capture_output=True, text=True, check=False,
            )  # fmt: skip
            self._printed(job, done.stderr)
            if done.returncode == 0 and "Failed to parse" not in done.stderr:
                self._keep_hosts(source, json.loads(done.stdout)["_meta"]["hostvars"])
                self._end(job, "successful")
            else:
                self._end(job, "failed")

        return self._begin(job, run)

    def _keep_hosts(self, source: Object, hosts: dict[str, Any]) -> None:
        inventory = source["inventory"]
        for host in [host for host in self._store.all("hosts") if host["inventory"] == inventory]:
            if source["overwrite"] and host["instance_id"] == str(source["id"]):
                self._store.delete(host)
        for name, variables in hosts.items():
            host = {"name": name, "inventory": inventory, "instance_id": str(source["id"])}
            self._store.create("hosts", host | {"variables": json.dumps(variables)})

    def launch(self, template: Object, sent: dict[str, Any]) -> Job:
        """Start a job of a template; what it does not ask for goes to ``ignored_fields`` of the answer."""
        variables = sent.get("extra_vars") or {}
        if isinstance(variables, str):
            variables = json.loads(variables)
        prompts = {name: value for name, value in sent.items() if name != "extra_vars"}
        accepted, ignored, wrong = accept(template, prompts | {"extra_vars": variables}, complete=True)
        if wrong:
            raise RefusedError(400, {"variables_needed_to_start": wrong})
        if accepted.get("inventory", template["inventory"]) is None:
            raise invalid(inventory="Job Template 'inventory' is missing or undefined.")
        return self.start(template, accepted) | {"ignored_fields": ignored}

    def start(self, template: Object, accepted: dict[str, Any]) -> Job:
        spec = template["survey_spec"] if template["survey_enabled"] else {}
        variables = json.loads(template["extra_vars"] or "{}") | surveys.defaults_of(spec)
        variables |= accepted.get("extra_vars", {})
        secrets = {one["variable"] for one in spec.get("spec", []) if one["type"] == "password"}
        public = {name: "$encrypted$" if name in secrets else value for name, value in variables.items()}
        job = self._new("job", template, job_template=template["id"], extra_vars=json.dumps(public), artifacts={})
        options = {
            name: accepted.get(name, template[name])
            for name in ("inventory", "limit", "job_type", "job_tags", "skip_tags", "verbosity", "diff_mode")
        }
        credentials = accepted.get("credentials", template["many"]["credentials"])
        return self._begin(job, lambda: self._play(job, template, variables, options, credentials))

    def idle(self, template: Object, variables: dict[str, Any]) -> Job:
        """Start a job that does nothing until it is canceled."""
        job = self._new("job", template, job_template=template["id"], extra_vars=json.dumps(variables), artifacts={})

        def run() -> None:
            while job["id"] not in self._cancelled:
                time.sleep(POLL_S)
            self._end(job, "canceled")

        job["status"] = "running"
        return self._begin(job, run)

    def _play(
        self, job: Job, template: Object, variables: dict[str, Any], options: dict[str, Any], credentials: list[int]
    ) -> None:
        job["status"] = "running"
        project = self._store.get("projects", template["project"])
        hosts = [host for host in self._store.all("hosts") if host["inventory"] == options["inventory"]]
        command = [f"-{'v' * options['verbosity']}"] if options["verbosity"] else []
        command += ["--check"] if options["job_type"] == "check" else []
        command += ["--diff"] if options["diff_mode"] else []
        folder = self._folder / str(job["id"])
        (folder / "env").mkdir(parents=True)
        own = json.loads(template["extra_vars"] or "{}")
        meta = {"awx_job_id": job["id"], "awx_job_template_name": template["name"]}
        (folder / "env" / "extravars").write_text(extra_vars_file(variables | meta, own, self.allow_jinja))
        result = ansible_runner.run(
            private_data_dir=str(folder),
            project_dir=project["scm_url"],
            playbook=template["playbook"],
            inventory={"all": {"hosts": {host["name"]: json.loads(host["variables"] or "{}") for host in hosts}}},
            limit=options["limit"] or None,
            tags=options["job_tags"] or None,
            skip_tags=options["skip_tags"] or None,
            cmdline=" ".join(command) or None,
            envvars=self._environment(job, credentials),
            event_handler=lambda event: self._heard(job, event),
            cancel_callback=lambda: job["id"] in self._cancelled,
            quiet=True,
        )
        self._end(job, {"successful": "successful", "canceled": "canceled"}.get(result.status, "failed"))

    def _heard(self, job: Job, event: dict[str, Any]) -> bool:
        self.events[job["id"]].append(stored(event))
        if event["event"] == "playbook_on_stats":
            job["artifacts"] |= event["event_data"].get("artifact_data", {})
        return False

    def _printed(self, job: Job, text: str) -> None:
        """Keep what was printed beside the playbook's own events."""
        events = self.events[job["id"]]
        events.append(stored({"counter": len(events) + 1, "event": "verbose", "uuid": "", "stdout": text}))

    def _environment(self, job: Job, credentials: list[int | None]) -> dict[str, str]:
        folder = self._folder / str(job["id"])
        environment = {"PATH": f"{Path(sys.executable).parent}:{os.defpath}", "HOME": str(folder), "LC_ALL": "C.UTF-8"}
        for number in credentials:
            credential = self._store.find("credentials", number)
            if credential is not None:
                its_type = self._store.get("credential_types", credential["credential_type"])
                into = folder / "credentials" / str(credential["id"])
                into.mkdir(parents=True)
                environment |= credential_types.inject(its_type, credential["inputs"], into)
        return environment

    def launch_workflow(self, template: Object, sent: dict[str, Any]) -> Job:
        """Start a workflow: each node when the node before it has ended as the link says, with all that nodes told."""
        variables = sent.get("extra_vars") or {}
        accepted, ignored, wrong = accept(template, {"extra_vars": variables}, complete=True)
        if wrong:
            raise RefusedError(400, {"variables_needed_to_start": wrong})
        spec = template["survey_spec"] if template["survey_enabled"] else {}
        variables = surveys.defaults_of(spec) | accepted.get("extra_vars", {})
        job = self._new("workflow_job", template, extra_vars=json.dumps(variables), nodes={})
        self._begin(job, lambda: self._flow(job, template, variables))
        return job | {"ignored_fields": ignored}

    def _flow(self, job: Job, template: Object, variables: dict[str, Any]) -> None:
        job["status"] = "running"
        nodes = {
            node["id"]: node
            for node in self._store.all("workflow_job_template_nodes")
            if node["workflow_job_template"] == template["id"]
        }
        followers = {
            number: {many: node["many"][many] for many in ("success_nodes", "failure_nodes", "always_nodes")}
            for number, node in nodes.items()
        }
        led_to = {number for links in followers.values() for many in links.values() for number in many}
        queue: list[tuple[int, dict[str, Any]]] = [(number, {}) for number in nodes if number not in led_to]
        failed = False
        while queue:
            number, artifacts = queue.pop(0)
            node = nodes[number]
            step = self._store.get("job_templates", node["unified_job_template"])
            accepted, _, _ = accept(step, {"extra_vars": node["extra_data"]}, complete=False)
            accepted["extra_vars"] = accepted.get("extra_vars", {}) | artifacts | variables
            done = self.start(step, accepted)
            job["nodes"][node["identifier"]] = done["id"]
            while not self.jobs[done["id"]]["event_processing_finished"]:
                time.sleep(POLL_S)
            well = done["status"] == "successful"
            follow = followers[number]["success_nodes" if well else "failure_nodes"] + followers[number]["always_nodes"]
            failed = failed or (not well and not follow)
            queue += [(other, artifacts | done["artifacts"]) for other in follow]
        self._end(job, "failed" if failed else "successful")

    def of_template(self, template: Object) -> list[Job]:
        """The jobs of a template, the newest first."""
        return sorted(
            (job for job in self.jobs.values() if job["unified_job_template"] == template["id"]),
            key=lambda job: -int(job["id"]),
        )

    def cancel(self, job: Job) -> None:
        """Have a job end; one that has ended already is refused with 405."""
        if job["status"] not in UNFINISHED:
            raise refused(405, 'Method "POST" not allowed.')
        self._cancelled.add(job["id"])

    def close(self) -> None:
        """Have everything end that still runs."""
        self._cancelled.update(self.jobs)
        for thread in self._threads:
            thread.join()

    def _new(self, kind: str, source: Object, **further: Any) -> Job:
        number = self._store.number()
        url = f"/api/v2/{ENDPOINTS[kind]}/{number}/"
        job = {
            "id": number, "type": kind, "url": url, "name": source["name"], "status": "pending", "failed": False,
            "started": time.time(), "finished": None, "elapsed": 0.0, "event_processing_finished": False,
            "related": {"cancel": f"{url}cancel/", "job_events": f"{url}job_events/", "stdout": f"{url}stdout/"},
            "unified_job_template": source["id"], "job_explanation": "",
        } | further  # fmt: skip
        self.jobs[number] = job
        self.events[number] = []
        return job

    def _begin(self, job: Job, run: Any) -> Job:
        def guarded() -> None:
            try:
                run()
            except Exception as error:  # noqa: BLE001 -- as the controller does: whatever it is, the job has failed
                self._printed(job, repr(error))
                self._end(job, "error")

        thread = threading.Thread(target=guarded)
        self._threads.append(thread)
        thread.start()
        return job

    def _end(self, job: Job, status: str) -> Job:
        now = time.time()
        job |= {"status": status, "failed": status != "successful", "finished": now, "elapsed": now - job["started"]}
        job["event_processing_finished"] = not self.lost_for_good
        return job
