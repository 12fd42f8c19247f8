# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything in the database that is sealed, and whether the key that there is opens it.

Where the file of the keys is gone a new key is made without a word, for a service that has nothing sealed needs no
more. What was sealed before can then not be opened any more; the start says so.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

import structlog

from hostler.credentials.models import Credential
from hostler.jobs.models import Job, JobState
from hostler.sealing import Sealer
from hostler.webhooks.models import Webhook

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class SealedText:
    """A sealed text, and what it belongs to, in words."""

    owner: str
    text: str = field(repr=False)


async def sealed_texts() -> list[SealedText]:
    """All that is sealed and still of use."""
    found = [SealedText(f"credential '{one.name}'", one.sealed) for one in await Credential.all().order_by("id")]
    for webhook in await Webhook.all().order_by("id"):
        found.append(SealedText(f"webhook {webhook.id}", webhook.secret))
    for webhook in await Webhook.filter(old_secret__not_isnull=True, old_secret_until__gt=datetime.now(UTC)):
        found.append(SealedText(f"webhook {webhook.id}", webhook.old_secret))
    for job in await Job.filter(state=JobState.QUEUED.value, sealed__not_isnull=True).order_by("id"):
        found.append(SealedText(f"job {job.id}", str(job.sealed)))
    return found


async def locked(sealer: Sealer) -> list[str]:
    """Whatever has a secret that the sealer can't open, each once."""
    return list(dict.fromkeys(one.owner for one in await sealed_texts() if not sealer.can_open(one.text)))


async def warn_of_locked(sealer: Sealer) -> None:
    """Say it in the log where secrets can't be opened; what they are for fails, each time it is tried."""
    if owners := await locked(sealer):
        log.error(
            "sealing.secrets_locked",
            secrets_of=owners,
            reason="they were sealed with a key that this service does not have",
            remedy="bring the sealing keys back, or give these secrets anew; see docs/operations.md",
        )
