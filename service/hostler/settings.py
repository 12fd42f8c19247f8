# SPDX-License-Identifier: GPL-3.0-or-later
"""The service's settings: environment variables ``HOSTLER_*``, then an optional TOML file, then the defaults here.

The file is the one that ``HOSTLER_CONFIG`` names, else ``/etc/hostler/hostler.toml`` where it exists. A key of the file
that is no setting is an error; an environment variable that is none is not, because ``HOSTLER_URL``,
``HOSTLER_TOKEN`` and their like are what clients use, but one that is nearly a setting is told of at the start. An
empty variable counts as unset.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)
from pydantic_settings import SettingsError as SourceError

from hostler.errors import OperatorError

SYSTEM_CONFIG = Path("/etc/hostler/hostler.toml")
PREFIX = "HOSTLER_"

_PLAYBOOKS: tuple[Literal["vm_create", "vm_resize"], ...] = ("vm_create", "vm_resize")
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_ALIKE = 0.75  # difflib's ratio: "prot" for "port" is, "password" for "admin_password" is not


class SettingsError(OperatorError):
    """A setting is wrong; the message names it and its source, and never repeats its value."""


def _default_state_dir() -> Path:
    if os.geteuid() == 0:
        return Path("/var/lib/hostler")
    state_home = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state"
    return Path(state_home) / "hostler"


def config_file() -> Path | None:
    """Return the TOML file to read, or None; raises SettingsError if ``HOSTLER_CONFIG`` names none that exists."""
    named = os.environ.get("HOSTLER_CONFIG")
    if named:
        path = Path(named).expanduser()
        if not path.is_file():
            raise SettingsError(f"HOSTLER_CONFIG names {path}, which is not a file")
        return path
    return SYSTEM_CONFIG if SYSTEM_CONFIG.is_file() else None


class Settings(BaseSettings):
    """What an operator can set; each field is the variable ``HOSTLER_<FIELD>`` and the file's key of that name."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_ignore_empty=True,
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
    )

    state_dir: Path = Field(
        default_factory=_default_state_dir,
        description="Where the service keeps its database, keys and job files: /var/lib/hostler for root, else "
        "$XDG_STATE_HOME/hostler or ~/.local/state/hostler. Made with mode 0700 where it is missing.",
    )
    database_url: str = Field(
        default="",
        repr=False,
        description="sqlite:///path/to/file or postgres://user:password@host:port/name; by default the SQLite file "
        "hostler.sqlite3 in state_dir.",
    )
    host: str = Field(default="127.0.0.1", description="Address to listen on; loopback unless a proxy can't be.")
    port: int = Field(default=8470, ge=0, le=65535, description="TCP port to listen on; 0 takes a free one.")
    trusted_proxies: str = Field(
        default="",
        description="Addresses or networks, separated by commas, whose X-Forwarded-For is believed (the throttle of "
        "logins counts by client address, and the audit has it).",
    )
    metrics_free_on_loopback: bool = Field(
        default=True,
        description="Whether /metrics needs no token from the service's own machine. Say false where a proxy on the "
        "same machine passes requests on without adding X-Forwarded-For, Forwarded or Via: nobody can tell these from "
        "local ones.",
    )
    shutdown_seconds: int = Field(
        default=30, ge=0, description="How long a shutdown waits for requests in progress, in seconds."
    )
    signing_keys_file: Path | None = Field(
        default=None,
        description="File of the keys that sign access tokens, made at first start; by default signing-keys.json in "
        "state_dir.",
    )
    signing_key: SecretStr | None = Field(
        default=None,
        description="The signing key itself instead of a file, at least 32 characters: for several services that share "
        "one PostgreSQL database.",
    )
    sealing_keys_file: Path | None = Field(
        default=None,
        description="File of the keys that seal the secrets in the database (credentials of servers, keys of "
        "webhooks), made at first start; by default sealing-keys.json in state_dir. Keep a copy apart from the "
        "database's: without the keys these secrets have to be given anew.",
    )
    sealing_key: SecretStr | None = Field(
        default=None,
        description="The sealing key itself instead of a file, at least 32 characters: for several services that share "
        "one PostgreSQL database.",
    )
    access_token_seconds: int = Field(default=600, ge=10, le=86400, description="Life of an access token, in seconds.")
    refresh_token_days: int = Field(
        default=30, ge=1, le=365, description="Life of a refresh token since it was last rotated, in days."
    )
    admin_password: SecretStr | None = Field(
        default=None,
        description="Password of the administrator 'admin' that the first start on an empty database makes; without it "
        "one is generated and printed once. Later starts ignore it.",
    )
    log_format: Literal["console", "json"] = Field(
        default="console",
        description="Log lines for people (console) or for machines (json), on standard error.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="The least severe level that is logged."
    )
    playbooks_dir: Path | None = Field(
        default=None,
        description="Folder of an operator's own playbooks: one named as the action (vm_create.yml) replaces ours.",
    )
    hooks_dir: Path | None = Field(
        default=None,
        description="Folder of an operator's task files that run before and after our playbooks.",
    )
    trusted_libvirt_uris: tuple[str, ...] = Field(
        default=(),
        description="libvirt URIs that may be registered over REST as they stand, besides the checked forms "
        "qemu:///system, qemu+ssh:// and qemu+tls:// without a query. A libvirt URI can run programs as the service's "
        "user: name only your own.",
    )
    executor: Literal["playbook", "awx"] = Field(
        default="playbook",
        description="Who carries out the actions that are playbooks (create and resize), where dispatch does not say: "
        "playbook, Ansible beside the service, or awx, a job template of an AWX controller. See docs/awx.md.",
    )
    dispatch: dict[Literal["vm_create", "vm_resize"], Literal["direct", "playbook", "awx"]] = Field(
        default={},
        description="Who carries an action out, where it is not its default: playbook, awx, or direct, straight to "
        'libvirt without the site\'s own steps. In the environment it is JSON: {"vm_create": "direct"}.',
    )
    playbook_timeout_seconds: int = Field(
        default=3600, ge=1, description="How long a playbook may take before it is ended, in seconds."
    )
    awx_url: str = Field(
        default="",
        description="Where AWX is: https://awx.example.com. Where its API is not at /api/v2/ there, with the path "
        "before v2: https://aap.example.com/api/controller. Without https only on the service's own machine.",
    )
    awx_token: SecretStr | None = Field(
        default=None,
        description="Token of the AWX user that launches the job templates, of scope Write.",
    )
    awx_token_file: Path | None = Field(
        default=None,
        description="File with that token instead; it is read for each request, so another one counts at once.",
    )
    awx_verify: Path | None = Field(
        default=None,
        description="File with the certificates (PEM) of the authorities that AWX's certificate has to be signed by; "
        "by default the system's.",
    )
    awx_organization: str = Field(
        default="",
        description="Organization of the job templates, where several have templates of the same names.",
    )
    awx_templates: dict[Literal["vm_create", "vm_resize"], int | str] = Field(
        default={},
        description="Name or id of the job template of an action, where it is not the one that awx_setup makes with "
        'awx_for_service=true. In the environment it is JSON: {"vm_create": "Provision a VM"}.',
    )
    awx_timeout_seconds: int = Field(
        default=30,
        ge=1,
        le=600,
        description="How long AWX may take for one answer, in seconds. How long a job may take there is "
        "playbook_timeout_seconds.",
    )
    awx_absence_seconds: int = Field(
        default=300,
        ge=1,
        le=86400,
        description="How long AWX is waited for that is away, or refuses to answer, while a job of ours is there, in "
        "seconds; after that our job has failed, whatever AWX still does.",
    )
    warm_start: bool = Field(
        default=True,
        description="Whether playbooks start in a fork of a process that has Ansible imported, which takes "
        "about 65 MiB of memory and more than halves the time of a run. See docs/playbooks.md.",
    )
    sync_timeout_seconds: int = Field(
        default=300,
        ge=1,
        description="How long a synchronous write waits for its job before it answers 202, in seconds.",
    )
    stop_timeout_seconds: int = Field(
        default=60,
        ge=1,
        description="How long a stop waits for the guest unless the request says, in seconds.",
    )
    event_retention_days: int = Field(
        default=7,
        ge=1,
        le=3650,
        description="How long events are kept, in days: a client of /api/events that was away for longer has to load "
        "everything anew.",
    )
    job_retention_days: int = Field(
        default=90,
        ge=0,
        le=3650,
        description="How long a job that has ended is kept, with its steps and its log, in days; 0 keeps all for ever. "
        "A create's Idempotency-Key is remembered for as long as its job. See docs/operations.md.",
    )
    audit_retention_days: int = Field(
        default=0,
        ge=0,
        le=36500,
        description="How long entries of the audit are kept, in days; 0 keeps them for ever. See docs/audit.md.",
    )
    webhook_destinations: tuple[Literal["private", "loopback", "link-local"], ...] = Field(
        default=("private",),
        description="Which addresses webhooks may be sent to, besides public ones: private (10.0.0.0/8, 172.16.0.0/12, "
        "192.168.0.0/16, 100.64.0.0/10, fc00::/7), loopback (the service's own machine, by any of its addresses), "
        "link-local (169.254.0.0/16, fe80::/10, and where else clouds keep their machines' credentials). What counts "
        "is the address that is connected to.",
    )
    webhook_timeout_seconds: int = Field(
        default=10,
        ge=1,
        le=120,
        description="How long a webhook's receiver may take for its whole answer, in seconds.",
    )
    webhook_tries: int = Field(
        default=8,
        ge=1,
        le=100,
        description="How often an event is sent to a receiver that refuses it, before it goes to the dead letters. A "
        "receiver that can't be reached is another matter: see webhook_retry_hours.",
    )
    webhook_retry_hours: int = Field(
        default=24,
        ge=1,
        le=8760,
        description="How long a receiver that can't be reached is waited for, in hours, before events go to the dead "
        "letters. Events that are older than event_retention_days are not kept for it.",
    )
    webhook_retention_days: int = Field(
        default=30,
        ge=1,
        le=3650,
        description="How long it is kept what was delivered to webhooks, and what was not, in days.",
    )
    host_threads: int = Field(
        default=8,
        ge=1,
        le=64,
        description="Most calls to one hypervisor at the same time (threads per host).",
    )
    takes_jobs: bool = Field(
        default=True,
        description="Whether `hostler serve` takes up jobs that wait for their turn; false leaves them to "
        "`hostler worker`, which needs PostgreSQL.",
    )
    host_jobs: int = Field(
        default=16,
        ge=1,
        le=256,
        description="Most jobs of one hypervisor at the same time, of those that wait for their turn "
        "(`Prefer: respond-async`, actions on many VMs, schedules).",
    )
    resync_seconds: int = Field(
        default=30,
        ge=1,
        description="Pause between two bulk comparisons of a host with the database, in seconds.",
    )
    reread_seconds: int = Field(
        default=600,
        ge=1,
        description="In how many seconds the definition of each VM is read again: libvirt tells nobody of some "
        "changes, of sizes that are set for the next start, say, or of autostart. With more than 24,000 VMs it takes "
        "longer: 40 are read a second at the most.",
    )
    statistics_seconds: int = Field(
        default=15,
        ge=0,
        le=300,
        description="How often what each host and its VMs use is read, in seconds; 0 reads nothing. See "
        "docs/statistics.md.",
    )
    metrics_per_vm: bool = Field(
        default=True,
        description="Whether /metrics has what each VM that runs uses: a dozen lines for each, which are a lot with "
        "thousands of them. See docs/statistics.md.",
    )

    largest_image_gb: int = Field(
        default=100,
        ge=1,
        le=65536,
        description="The largest base image that may be uploaded over REST, in GiB of its file.",
    )

    @field_validator("signing_key", "sealing_key")
    @classmethod
    def _long_enough(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value()) < 32:
            raise ValueError("should have at least 32 characters")
        return value

    @field_validator("awx_url")
    @classmethod
    def _is_safe_address(cls, value: str) -> str:
        parts = urlsplit(value)
        if value and (parts.scheme not in ("http", "https") or not parts.hostname):
            raise ValueError("should be an address such as https://awx.example.com")
        if parts.username or parts.password or parts.query or parts.fragment:
            raise ValueError("should have neither user, password, query nor fragment")
        if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
            raise ValueError("should begin with https, or the token could be read on its way")
        return value.rstrip("/")

    @field_validator(
        "state_dir",
        "signing_keys_file",
        "sealing_keys_file",
        "playbooks_dir",
        "hooks_dir",
        "awx_token_file",
        "awx_verify",
    )
    @classmethod
    def _absolute(cls, value: Path | None) -> Path | None:
        return None if value is None else value.expanduser().absolute()

    @model_validator(mode="after")
    def _default_paths(self) -> Settings:
        # frozen for everyone else; these defaults need another field's value
        if not self.database_url:
            object.__setattr__(self, "database_url", f"sqlite://{self.state_dir / 'hostler.sqlite3'}")
        if self.signing_keys_file is None:
            object.__setattr__(self, "signing_keys_file", self.state_dir / "signing-keys.json")
        if self.sealing_keys_file is None:
            object.__setattr__(self, "sealing_keys_file", self.state_dir / "sealing-keys.json")
        return self

    @model_validator(mode="after")
    def _somebody_takes_jobs(self) -> Settings:
        if not self.takes_jobs and self.database_url.startswith("sqlite"):
            raise ValueError("'takes_jobs' may be false on PostgreSQL only: on SQLite nobody else takes jobs up")
        return self

    @model_validator(mode="after")
    def _awx_is_whole(self) -> Settings:
        tokens = [name for name in ("awx_token", "awx_token_file") if getattr(self, name) is not None]
        users = [name for name in ("awx_organization", "awx_templates", "awx_verify") if getattr(self, name)]
        if not self.awx_url:
            wanting = ["executor"] if self.executor == "awx" else []
            wanting += ["dispatch"] if "awx" in self.dispatch.values() else []
            if wanting or tokens or users:
                raise ValueError(f"awx_url is missing, without which {(wanting + tokens + users)[0]} has no meaning")
        elif len(tokens) != 1:
            raise ValueError("awx_url needs either awx_token or awx_token_file" + (", not both" if tokens else ""))
        by = {self.dispatch.get(action, self.executor) for action in _PLAYBOOKS}
        for name in ("hooks_dir", "playbooks_dir"):
            if "awx" in by and "playbook" not in by and getattr(self, name) is not None:
                raise ValueError(f"{name} is of no use where AWX has the playbooks: the site's own steps are there")
        for name in ("awx_token_file", "awx_verify"):
            file = getattr(self, name)
            if file is not None and not file.is_file():
                raise ValueError(f"{name} names {file}, which is not a file")
        if self.awx_token is not None and not _is_token(self.awx_token.get_secret_value()):
            raise ValueError("awx_token is no token: it has other characters than letters, digits and punctuation")
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the signature is pydantic-settings'
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the signature is pydantic-settings'
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments win over the environment, and the environment over the file."""
        file = config_file()
        if file is None:
            return init_settings, env_settings
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, toml_file=file)

    @classmethod
    def load(cls) -> Settings:
        """Read the settings; raises SettingsError with one sentence that names every wrong one."""
        try:
            return cls()
        except ValidationError as error:
            raise SettingsError(_sentence(error)) from None
        except tomllib.TOMLDecodeError as error:
            raise SettingsError(f"{config_file()} is not valid TOML: {error}") from None
        except (SourceError, OSError) as error:
            raise SettingsError(f"The settings can't be read: {error}") from None

    def make_state_dir(self) -> None:
        """Make ``state_dir`` where it is missing, readable by its owner only; raises SettingsError if that fails."""
        try:
            self.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            reason = error.strerror or "it can't be made"
            raise SettingsError(
                f"The state directory {self.state_dir} can't be made ({reason}); set HOSTLER_STATE_DIR to another one"
            ) from None


def _is_token(text: str) -> bool:
    """Whether it can stand in a header."""
    return text.isascii() and text.isprintable() and bool(text.strip()) and " " not in text.strip()


def misspelt(environment: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield each variable that is no setting and nearly one, with the variable that was probably meant."""
    names = list(Settings.model_fields)
    for variable in sorted(environment):
        name = variable.lower().removeprefix(PREFIX.lower())
        if not variable.upper().startswith(PREFIX) or name in names or variable == "HOSTLER_CONFIG":
            continue
        for alike in difflib.get_close_matches(name, names, n=1, cutoff=_ALIKE):
            yield variable, f"{PREFIX}{alike.upper()}"


def _sentence(error: ValidationError) -> str:
    problems = []
    for item in error.errors(include_input=False, include_url=False, include_context=False):
        name = ".".join(str(part) for part in item["loc"])
        if item["type"] == "extra_forbidden":
            problems.append(f"'{name}' is not a setting")
        else:
            message = item["msg"].removeprefix("Value error, ")
            problems.append(f"'{name}': {message}" if name else message)
    source = config_file()
    where = "the environment" if source is None else f"the environment and {source}"
    return f"The settings are wrong ({where}): {'; '.join(problems)}"
