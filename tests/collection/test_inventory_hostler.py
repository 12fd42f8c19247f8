# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory of a service's VMs, made by Ansible over HTTP, from a real service and from servers that are none."""

from __future__ import annotations

import json
import re
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from ansible_collections.hostler.libvirt.plugins.plugin_utils import rest_service
from awx.documentation import options_of
from hostler.machines.models import Machine, MachineStatus
from lab.cache import REPOSITORY
from tests.collection.conftest import Ansible, Run
from tests.collection.rest_service import RestService

NEVER_MADE = "hostler_this-one-was-never-made"
URI = "qemu+ssh://root@kvm1.example.com/system"
HOSTILE = {
    "{{ lookup('pipe', 'touch pwned') }}": "{{ lookup('pipe', 'touch pwned') }}",
    "localhost": "{% for a in range(9) %}x{% endfor %}",
    "-oProxyCommand=touch pwned": "!unsafe {{ 7 * 7 }}",
    "web:&all,!db": "nothing",
}


class Inventory(NamedTuple):
    """What ansible-inventory has made of a configuration, and its run."""

    shown: dict[str, Any]
    run: Run

    @property
    def vms(self) -> dict[str, dict[str, Any]]:
        """The variables of each host by its name."""
        found: dict[str, dict[str, Any]] = plain(self.shown["_meta"]["hostvars"])
        return found

    @property
    def groups(self) -> dict[str, list[str]]:
        """The hosts of each group that has some."""
        return {name: sorted(group["hosts"]) for name, group in self.shown.items() if "hosts" in group}

    @property
    def said(self) -> str:
        """What Ansible said, without its line breaks."""
        return " ".join(self.run.output.split())


Listed = Callable[..., Inventory]


def plain(value: Any) -> Any:
    """The value without the marks that ansible-inventory puts on what is no template."""
    if isinstance(value, dict):
        return value.get("__ansible_unsafe", {key: plain(one) for key, one in value.items()})
    return [plain(one) for one in value] if isinstance(value, list) else value


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RestService]:
    service = RestService(tmp_path_factory.mktemp("service"))
    try:
        service.start()
        yield service
    finally:
        service.stop()


@pytest.fixture
def service(running: RestService) -> Iterator[RestService]:
    """A service without VMs; whoever stops it starts it again."""
    yield running
    running.clear()


@pytest.fixture
def listed(ansible: Ansible, service: RestService, tmp_path: Path) -> Listed:
    """What ansible-inventory makes of a configuration; ``environment`` is added to URL and token of the service."""

    def run(environment: dict[str, str] | None = None, **options: Any) -> Inventory:
        config = tmp_path / "all.hostler_service.yml"
        config.write_text(yaml.safe_dump({"plugin": "hostler.libvirt.hostler", **options}))
        shown = tmp_path / "shown.json"
        shown.unlink(missing_ok=True)
        done = ansible(
            "-i", config, "--list", "--export", "--output", shown, program="ansible-inventory",
            **{"HOSTLER_URL": service.url, "HOSTLER_TOKEN": service.token, **(environment or {})},
        )  # fmt: skip
        return Inventory(json.loads(shown.read_text()), done)

    return run


def test_vms_have_what_the_service_knows_and_are_grouped_and_named_by_it(listed: Listed, service: RestService) -> None:
    service.put(
        "kvm-1",
        {
            "name": "web-1", "memory_mb": 2048, "disk_gb": 20.0, "os_type": "linux", "os_version": "Debian 12",
            "tags": ["web", "prod:eu-1"], "description": "first", "ip_address": "192.0.2.7",
            "mac_address": "52:54:00:00:00:01",
        },
        {"name": "both", "status": "stopped", "os_type": "windows"},
        uri=URI,
    )  # fmt: skip
    service.put("kvm2", {"name": "both"}, uri="qemu:///system")

    found = listed(
        group_by=["host", "status", "os_type", "tag"],
        compose={"note": "hostler_vm.description ~ '!'"},
        groups={"large": "hostler_vm.memory_mb > 1024"},
        keyed_groups=[{"key": "hostler_vm.status", "prefix": "is"}],
        connection="guest_agent",
    )

    assert "No VM alone can be called both in the inventory; called instead: both_kvm-1, both_kvm2" in found.said
    assert found.groups == {
        "host_kvm_1": ["both_kvm-1", "web-1"],
        "host_kvm2": ["both_kvm2"],
        "status_running": ["both_kvm2", "web-1"],
        "status_stopped": ["both_kvm-1"],
        "os_type_linux": ["web-1"],
        "os_type_windows": ["both_kvm-1"],
        "tag_web": ["web-1"],
        "tag_prod_eu_1": ["web-1"],
        "large": ["web-1"],
        "is_running": ["both_kvm2", "web-1"],
        "is_stopped": ["both_kvm-1"],
    }
    web, bare = found.vms["web-1"], found.vms["both_kvm2"]
    assert (web["hostler_host"], web["hostler_uri"], web["hostler_uuid"]) == ("kvm-1", URI, web["hostler_vm"]["uuid"])
    assert (web["ansible_host"], web["ansible_connection"]) == ("192.0.2.7", "hostler.libvirt.guest_agent")
    assert web["note"] == "first!"
    assert "ansible_host" not in bare
    assert bare["hostler_uri"] == "qemu:///system"
    of_api = httpx.get(
        f"{service.url}/api/vms", headers={"Authorization": f"Bearer {service.token}"}, params={"search": "web-1"}
    ).json()["vms"][0]
    del of_api["server"]
    assert web["hostler_vm"] == of_api.pop("resources") | of_api.pop("network") | of_api


@pytest.mark.slow
def test_only_what_all_filters_let_through_is_there(listed: Listed, service: RestService) -> None:
    service.put(
        "kvm1",
        {"name": "web-1", "tags": ["web", "prod"], "os_type": "linux"},
        {"name": "web-2", "tags": ["web"], "status": "stopped", "os_type": "windows"},
        {"name": "db-1", "tags": ["prod"], "status": "paused"},
    )
    service.put("kvm2", {"name": "web-3", "tags": ["web", "prod"], "status": "stopped"})
    service.put("kvm3")

    def names(**options: Any) -> list[str]:
        return sorted(listed(**options).vms)

    assert names(status=["running"]) == ["web-1"]
    assert names(status=["running", "paused"], tags=["prod"]) == ["db-1", "web-1"]
    assert names(tags=["prod", "web"], servers=["kvm1"]) == ["web-1"]
    assert names(servers=["kvm1", "kvm2"], search="WEB", os_types=["linux", "windows"]) == ["web-1", "web-2"]
    assert names(os_types=["windows"]) == ["web-2"]
    assert names(servers=["kvm3"]) == []
    assert "servers.1: the service has no server 'kvm9'" in listed(servers=["kvm1", "kvm9"]).said


def test_a_request_brings_a_hundred_vms_and_one_tells_of_all_servers(listed: Listed, service: RestService) -> None:
    service.put("kvm1", *({"name": f"web-{number}"} for number in range(200)))
    service.put("kvm2", *({"name": f"web-{number}"} for number in range(200, 301)))
    before = service.log()

    found = listed()

    assert sorted(found.vms) == sorted(f"web-{number}" for number in range(301))
    asked = re.findall(r"path=(\S+)", service.log().removeprefix(before))
    assert sorted(asked) == ["/api/servers", *["/api/vms"] * 4]


def test_no_vm_is_lost_or_comes_twice_where_others_come_and_go_meanwhile(service: RestService) -> None:
    service.put("kvm1", *({"name": f"web-{number}"} for number in range(250)))

    async def take_some_away() -> None:
        await Machine.filter(name__in=[f"web-{number}" for number in range(30)]).delete()

    reading = rest_service.RestService(service.url, service.token, None, insecure=False, timeout=30).vms()
    seen = [next(reading)["name"] for _ in range(100)]
    service.write(take_some_away)
    service.put("kvm1", {"name": "late"})
    seen += [vm["name"] for vm in reading]

    assert seen == [*(f"web-{number}" for number in range(250)), "late"]


@pytest.mark.slow
def test_the_cache_stands_in_for_the_service_as_long_as_it_is_valid_and_not_a_moment_longer(
    listed: Listed, service: RestService, tmp_path: Path
) -> None:
    service.put("kvm1", {"name": "web-1", "tags": ["web"]}, {"name": "db-1"})
    cached = {
        "cache": True, "cache_plugin": "ansible.builtin.jsonfile", "cache_connection": str(tmp_path / "cache"),
        "url": service.url, "token": service.token,
    }  # fmt: skip
    first = listed(**cached)
    service.stop()
    try:
        again, narrowed = listed(**cached), listed(**cached, tags=["web"])
        other_question, other_token = listed(**cached, search="web"), listed(**{**cached, "token": NEVER_MADE})
        time.sleep(1.1)
        stale = listed(**cached, cache_timeout=1)
    finally:
        service.start()

    assert again.vms == first.vms
    assert set(again.vms) == {"web-1", "db-1"}
    assert set(narrowed.vms) == {"web-1"}
    for refused in (other_question, other_token, stale):
        assert refused.vms == {}
        assert f"{cached['url']}: it can't be reached: Connection refused" in refused.said
    kept = "".join(file.read_text() for file in (tmp_path / "cache").iterdir())
    assert "web-1" in kept
    assert str(cached["token"]) not in kept


@pytest.mark.slow
def test_what_vms_are_called_and_say_of_themselves_is_never_a_template(
    ansible: Ansible, service: RestService, tmp_path: Path
) -> None:
    service.put(
        "kvm1",
        *(
            {"name": name, "description": text, "tags": [text], "os_type": text[:64], "ip_address": "-oProxyCommand=id"}
            for name, text in HOSTILE.items()
        ),
    )
    cache = {"cache": True, "cache_plugin": "ansible.builtin.jsonfile", "cache_connection": str(tmp_path / "cache")}
    config = tmp_path / "hostler_service.yml"
    config.write_text(
        yaml.safe_dump(
            {
                "plugin": "hostler.libvirt.hostler",
                "group_by": ["tag", "os_type"],
                "compose": {"whole": "hostler_vm.name", "part": "'<' ~ hostler_vm.description ~ '>'"},
                "keyed_groups": [{"key": "hostler_vm.description", "prefix": "d"}],
                **cache,
            }
        )
    )
    copied = {
        "content": "{{ {inventory_hostname: [hostler_vm, whole, part, group_names, ansible_host]} | to_json }}",
        "dest": f"{tmp_path}/said-{{{{ hostler_uuid }}}}",
        "mode": "0600",
    }
    play = {
        "hosts": "all", "gather_facts": False,
        "tasks": [{"ansible.builtin.copy": copied, "delegate_to": "localhost", "vars": {"ansible_host": "none"}}],
    }  # fmt: skip
    (tmp_path / "play.yml").write_text(yaml.safe_dump([play]))
    environment = {"HOSTLER_URL": service.url, "HOSTLER_TOKEN": service.token}

    for source in ("from the service", "from the cache"):
        done = ansible("-i", config, tmp_path / "play.yml", **environment)

        assert done.code == 0, (source, done.output)
        said: dict[str, Any] = {}
        for file in tmp_path.glob("said-*"):
            said |= json.loads(file.read_text())
            file.unlink()
        assert set(said) == {
            "___lookup__pipe____touch_pwned_____",
            "localhost_kvm1",
            "_oProxyCommand_touch_pwned",
            "web__all__db",
        }
        for vm, whole, part, groups, _address in said.values():
            assert (vm["name"], vm["description"]) == (whole, HOSTILE[whole])
            assert (vm["tags"], vm["ip_address"]) == ([HOSTILE[whole]], None)
            assert part == f"<{HOSTILE[whole]}>"
            assert all(group.isidentifier() for group in groups)
        assert not list(tmp_path.glob("**/pwned"))


@pytest.mark.slow
def test_an_empty_variable_is_none_as_awx_has_them_for_what_a_credential_leaves_out(
    listed: Listed, ansible: Ansible, service: RestService
) -> None:
    service.put("kvm1", {"name": "web-1"})
    unset = {"HOSTLER_CA_CERT": "", "HOSTLER_INSECURE": "False"}
    credential = {**unset, "HOSTLER_URL": service.url, "HOSTLER_TOKEN": service.token}

    example = REPOSITORY / "inventory/hostler_service.yml"
    assert '"web-1"' in ansible("-i", example, "--list", program="ansible-inventory", **credential).output
    assert set(listed({**unset, "HOSTLER_INSECURE": ""}).vms) == {"web-1"}
    assert "token: is needed, here or in the environment variable HOSTLER_TOKEN" in listed({"HOSTLER_TOKEN": ""}).said
    assert "url: is needed, here or in the environment variable HOSTLER_URL" in listed({"HOSTLER_URL": ""}).said
    given = listed({"HOSTLER_URL": "", "HOSTLER_TOKEN": ""}, url=f"{service.url}/", token=f"{service.token}\n")
    assert set(given.vms) == {"web-1"}


@contextmanager
def serving(answer: Callable[[str, str | None], tuple[int, bytes]], tls: Path | None = None) -> Iterator[str]:
    """A web server: ``answer`` takes a path and an Authorization, and gives a status and a body. Its URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = answer(self.path, self.headers["Authorization"])
            self.send_response(status)
            if 300 <= status < 400:
                self.send_header("Location", body.decode())
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if tls is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tls)
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http{'s' if tls else ''}://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def certificate(file: Path) -> Path:
    """A certificate for 127.0.0.1 that nobody else has signed, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "hostler")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    encoding, no_encryption = serialization.Encoding.PEM, serialization.NoEncryption()
    private = key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, no_encryption)
    file.write_bytes(private + made.public_bytes(encoding))
    return file


@pytest.mark.slow
def test_a_certificate_has_to_be_of_a_ca_that_is_known_or_named_or_nobody_cares(
    listed: Listed, service: RestService, tmp_path: Path
) -> None:
    service.put("kvm1", {"name": "web-1"})
    own, other = certificate(tmp_path / "own.pem"), certificate(tmp_path / "other.pem")
    empty = tmp_path / "empty.pem"
    empty.touch()

    def forward(path: str, authorization: str | None) -> tuple[int, bytes]:
        done = httpx.get(service.url + path, headers={"Authorization": authorization or ""})
        return done.status_code, done.content

    with serving(forward, tls=own) as url:
        assert set(listed({"HOSTLER_CA_CERT": str(own)}, url=url).vms) == {"web-1"}
        assert set(listed({"HOSTLER_INSECURE": "True"}, url=url).vms) == {"web-1"}
        for unknown in (listed({"HOSTLER_CA_CERT": str(empty)}, url=url), listed(url=url, ca_cert=str(other))):
            assert unknown.vms == {}
            assert f"{url}: its certificate is not trusted (self" in unknown.said


@pytest.mark.slow
def test_each_reason_why_there_is_no_answer_is_one_sentence_without_the_token(
    ansible: Ansible, service: RestService, tmp_path: Path
) -> None:
    service.put("kvm1", {"name": "web-1"})
    elsewhere: list[str | None] = []
    (tmp_path / "odd.pem").write_text("no certificate")

    def elsewhere_too(_path: str, authorization: str | None) -> tuple[int, bytes]:
        elsewhere.append(authorization)
        return 200, b"{}"

    def never(_path: str, _authorization: str | None) -> tuple[int, bytes]:
        time.sleep(3)
        return 200, b"{}"

    def too_old(path: str, _authorization: str | None) -> tuple[int, bytes]:
        items = {"items": []} if "servers" in path else {"vms": [{"id": 0}]}
        return 200, json.dumps({**items, "total": 9, "total_pages": 1}).encode()

    with (
        serving(elsewhere_too) as other,
        serving(lambda _path, _authorization: (302, other.encode())) as redirecting,
        serving(lambda _path, _authorization: (200, b"<html>Welcome</html>")) as page,
        serving(lambda _path, _authorization: (200, b'{"vms": {}, "items": {}}')) as wrong,
        serving(lambda _path, _authorization: (503, b"<html>Sorry</html>")) as broken,
        serving(lambda _path, _authorization: (403, b"{}")) as forbidding,
        serving(never) as hung,
        serving(too_old) as old,
    ):
        cases: dict[str, tuple[dict[str, Any], str]] = {
            "unknown": ({"token": NEVER_MADE}, f"{service.url}: the service does not accept the token"),
            "forbidden": ({"url": forbidding}, "the token may not read VMs"),
            "elsewhere": ({"url": redirecting}, "it leads elsewhere (HTTP 302)"),
            "page": ({"url": page}, f"{page}: is no Hostler service"),
            "wrong": ({"url": wrong}, f"{wrong}: is no Hostler service"),
            "under": ({"url": f"{service.url}/hostler"}, "HTTP 404: "),
            "broken": ({"url": broken}, "HTTP 503, and not from a Hostler service"),
            "hung": ({"url": hung, "timeout": 1}, "no answer within 1 s"),
            "old": ({"url": old}, "the service is too old: it does not know after_id"),
            "plain": ({"url": service.url.replace("http", "https")}, "it does not speak TLS as it should: "),
            "nowhere": ({"url": "http://127.0.0.1:1"}, "http://127.0.0.1:1: it can't be reached: Connection refused"),
            "no_name": ({"url": "http://hostler.invalid"}, "http://hostler.invalid: it can't be reached: "),
            "path": ({"url": "/api"}, "url: must be http:// or https:// and a host"),
            "user": ({"url": f"http://ada:{NEVER_MADE}@hostler"}, "url: must be http:// or https:// and a host"),
            "query": ({"url": "http://hostler?a=b"}, "url: must be http:// or https:// and a host"),
            "port": ({"url": "http://hostler:99999"}, "url: must be http:// or https:// and a host"),
            "lines": ({"token": f"{NEVER_MADE}\r\nX-Other: 1"}, "token: must be visible ASCII characters"),
            "no_ca": ({"ca_cert": "/nowhere.pem"}, "ca_cert: /nowhere.pem can't be read: No such file or directory"),
            "odd_ca": ({"ca_cert": f"{tmp_path}/odd.pem"}, "odd.pem can't be read: it has no certificate"),
            "never": ({"timeout": 0}, "timeout: must be at least 1"),
            "status": ({"status": ["up"]}, "status"),
        }  # fmt: skip
        arguments: list[str | Path] = []
        for name, (options, _says) in cases.items():
            config = tmp_path / f"{name}.hostler_service.yml"
            config.write_text(yaml.safe_dump({"plugin": "hostler.libvirt.hostler", "token": "some_token", **options}))
            arguments += ["-i", config]
        done = ansible(*arguments, "--list", "-vvv", program="ansible-inventory", HOSTLER_URL=service.url)

    said = " ".join(done.output.split())
    for (name, (_options, says)), of_it in zip(cases.items(), said.split(" as an inventory source"), strict=False):
        assert f"{name}.hostler_service.yml" in of_it
        assert says in of_it, (name, of_it)
    assert NEVER_MADE not in said
    assert "some_token" not in said
    assert elsewhere == []


def test_what_the_service_says_no_to_is_told_in_its_own_words(listed: Listed, service: RestService) -> None:
    said = listed(search="x" * 300).said

    assert "HTTP 422: " in said
    assert "search" in said


def test_a_status_that_can_be_asked_for_is_one_that_the_service_has() -> None:
    assert options_of(REPOSITORY, "hostler", "inventory")["status"]["choices"] == [
        str(status) for status in MachineStatus
    ]


def test_no_file_of_another_name_is_taken(ansible: Ansible, tmp_path: Path) -> None:
    (tmp_path / "service.yml").write_text("plugin: hostler.libvirt.hostler\n")

    done = ansible("-i", tmp_path / "service.yml", "--list", program="ansible-inventory")

    assert "could not be verified by inventory plugin" in " ".join(done.output.split())
