# SPDX-License-Identifier: GPL-3.0-or-later
"""What can go wrong between the service and AWX; each has a code that stays the same.

::

    AwxError                     503
    ├── AwxUnreachable           awx_unreachable    nobody takes the connection, or it broke
    ├── AwxTimeout               awx_timeout        no answer in time
    ├── AwxFailed                awx_failed         5xx, 429
    ├── AwxBadAnswer             awx_bad_answer     not what AWX's API answers
    ├── AwxUnauthorized          awx_unauthorized   401: the token
    ├── AwxForbidden             awx_forbidden      403: what the token's user may do
    ├── AwxNotFound              awx_not_found      404: the template, or a job that was deleted there
    ├── AwxRefused               awx_refused        400: the template's survey does not take an answer
    ├── AwxIgnoredFields         awx_ignored_fields the template does not ask for what it is given
    ├── AwxSecretInClear         awx_secret_in_clear  the template would keep a secret in clear
    ├── AwxLaunchUnknown         awx_launch_unknown the answer to a launch was lost, and no job of it was found
    └── AwxJobBroken             awx_job_broken     AWX could not run the job, or lost it
    AwxCanceled                  409 awx_canceled   somebody canceled the job at AWX

No message has an address, a token or a value of a variable.
"""

from __future__ import annotations

from typing import ClassVar

from hostler.errors import Conflict, Unavailable


class AwxError(Unavailable):
    """AWX, or the way to it, is not as it should be."""

    code = "awx_error"
    passes: ClassVar[bool] = False
    """Whether it may pass by itself in a moment."""


class AwxUnreachable(AwxError):
    """Nobody takes the connection, or it broke."""

    code = "awx_unreachable"
    passes = True


class AwxTimeout(AwxError):
    """No answer came in time."""

    code = "awx_timeout"
    passes = True


class AwxFailed(AwxError):
    """AWX, or what stands before it, answered 5xx or 429."""

    code = "awx_failed"
    passes = True


class AwxBadAnswer(AwxError):
    """The answer is not one of AWX's API."""

    code = "awx_bad_answer"


class AwxUnauthorized(AwxError):
    """The token is not, or no longer, good."""

    code = "awx_unauthorized"


class AwxForbidden(AwxError):
    """The token's user may not do this."""

    code = "awx_forbidden"


class AwxNotFound(AwxError):
    """AWX does not have it, or does not show it to the token's user."""

    code = "awx_not_found"


class AwxRefused(AwxError):
    """The template's survey does not take an answer, or something else that a launch needs is missing."""

    code = "awx_refused"


class AwxIgnoredFields(AwxError):
    """The template does not ask for what it is given, so the job would be another one than was asked for."""

    code = "awx_ignored_fields"


class AwxSecretInClear(AwxError):
    """The template has no question of type password for a secret, so AWX would keep and show it."""

    code = "awx_secret_in_clear"


class AwxLaunchUnknown(AwxError):
    """The answer to a launch was lost, and no job of it was found."""

    code = "awx_launch_unknown"


class AwxJobBroken(AwxError):
    """AWX could not run the job, or lost it."""

    code = "awx_job_broken"


class AwxCanceled(Conflict):
    """Somebody canceled the job at AWX."""

    code = "awx_canceled"


class NotSent(Exception):
    """Beside an `AwxUnreachable`: the request has certainly not reached AWX."""
