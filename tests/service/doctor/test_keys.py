# SPDX-License-Identifier: GPL-3.0-or-later
"""What the doctor says of the keys, and the service at its start; neither makes up for what is lost."""

from __future__ import annotations

import json
import os
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from hostler.credentials import actions
from hostler.credentials.keeping import Keeper
from hostler.credentials.models import CredentialKind
from hostler.database import Database
from hostler.doctor import keys
from hostler.doctor.finding import Level
from hostler.jobs.models import Job
from hostler.sealing import load_sealer
from hostler.settings import Settings
from hostler.webhooks import actions as webhooks
from hostler.webhooks.models import Webhook
from tests.service.cli.command import Hostler, succeeded
from tests.service.credentials.parts import ssh_parts
from tests.service.serving import Serve, read_until

pytestmark = pytest.mark.anyio


@pytest.fixture
async def sealed(database: Database, settings: Settings) -> Path:
    """The file of the keys with which a credential and a webhook's secret are sealed."""
    await actions.add(Keeper.of(settings), "site", CredentialKind.SSH, ssh_parts())
    await webhooks.create({"url": "https://receiver.example.com/"}, None, load_sealer(settings), ["private"])
    assert settings.sealing_keys_file is not None
    return settings.sealing_keys_file


async def test_the_key_opens_all(sealed: Path, settings: Settings) -> None:
    found = await keys.sealing(settings)

    assert (found.level, found.message) == (Level.OK, "The sealing key opens every secret that is sealed (2)")


def there(file: Path | None) -> bool:
    return file is not None and file.exists()


def remove(file: Path | None) -> None:
    assert file is not None
    file.unlink()


async def test_nothing_is_sealed_and_there_is_no_key(database: Database, settings: Settings) -> None:
    assert await database.pending() == []

    assert (await keys.sealing(settings)).level is Level.OK
    assert not there(settings.sealing_keys_file)


async def test_the_keys_are_gone(sealed: Path, settings: Settings) -> None:
    remove(sealed)

    found = await keys.sealing(settings)

    assert (found.level, found.message) == (
        Level.FAILED,
        f"The sealing keys {sealed} are gone, with which 2 secrets of the database are sealed",
    )
    assert "--with-keys" in str(found.remedy)
    assert not there(sealed)


async def test_the_key_is_another(sealed: Path, settings: Settings) -> None:
    remove(sealed)
    load_sealer(settings)

    found = await keys.sealing(settings)

    assert found.level is Level.FAILED
    assert found.message == "The sealing key does not open the secrets of credential 'site', webhook 1"
    other = settings.model_copy(update={"sealing_key": None, "sealing_keys_file": sealed.with_name("no-such")})
    assert (await keys.sealing(other)).level is Level.FAILED


async def test_a_secret_of_before_counts_for_as_long_as_it_signs(sealed: Path, settings: Settings) -> None:
    for until, level in ((timedelta(hours=1), Level.FAILED), (timedelta(hours=-1), Level.OK)):
        await Webhook.all().update(old_secret="sealed by nobody", old_secret_until=datetime.now(UTC) + until)

        assert (await keys.sealing(settings)).level is level


async def test_what_a_job_waits_with_counts_for_as_long_as_it_waits(sealed: Path, settings: Settings) -> None:
    job = await Job.create(action="vm_create", executor="direct", state="queued", sealed="sealed by nobody")

    found = await keys.sealing(settings)

    assert found.level is Level.FAILED
    assert found.message == f"The sealing key does not open the secrets of job {job.id}"
    await Job.all().update(state="failed")
    assert (await keys.sealing(settings)).level is Level.OK


async def test_others_can_read_the_keys(sealed: Path, settings: Settings) -> None:
    os.chmod(sealed, 0o640)  # noqa: PTH101 - an async test

    found = await keys.sealing(settings)

    assert found.level is Level.FAILED
    assert f"chmod 600 {sealed}" in found.message


def test_signing_keys(settings: Settings) -> None:
    assert settings.signing_keys_file is not None
    settings.make_state_dir()
    assert keys.signing(settings).level is Level.WARNING
    assert not settings.signing_keys_file.exists()

    settings.signing_keys_file.write_text("{}")
    settings.signing_keys_file.chmod(0o600)
    assert keys.signing(settings).level is Level.FAILED

    key = {"signing_key": "k" * 32}
    assert keys.signing(settings.model_copy(update=key)).level is Level.OK


def test_a_start_says_loudly_which_secrets_it_can_not_open(settings: Settings, serve: Serve, hostler: Hostler) -> None:
    succeeded(hostler("webhook", "add", "https://receiver.example.com/", "--kind", "image.*"))
    assert settings.sealing_keys_file is not None

    def start() -> list[dict[str, object]]:
        process = serve(HOSTLER_LOG_FORMAT="json")
        read_until(process, "is listening on")
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate()
        return [line for line in map(json.loads, log.splitlines()) if line["event"] == "sealing.secrets_locked"]

    assert start() == []
    settings.sealing_keys_file.unlink()

    (told,) = start()

    assert (told["level"], told["secrets_of"]) == ("error", ["webhook 1"])
