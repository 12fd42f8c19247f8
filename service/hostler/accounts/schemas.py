# SPDX-License-Identifier: GPL-3.0-or-later
"""The bodies of logins, users and tokens."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr, StrictBool, StringConstraints

from hostler.accounts.passwords import LONGEST, SHORTEST
from hostler.bodies import RequestBody, ResponseBody, Timestamp
from hostler.permission import Credential, Permission

USERNAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}$"
LONGEST_TOKEN_DAYS = 3650


def _once_each(permissions: list[Permission]) -> list[Permission]:
    """Return the permissions in the order of their strength, each once."""
    return [permission for permission in Permission if permission in permissions]


Username = Annotated[
    str,
    StringConstraints(pattern=USERNAME_PATTERN),
    Field(description="Letters, digits and . _ @ + -, at most 64, beginning with a letter or digit", examples=["ada"]),
]
Password = Annotated[
    SecretStr, Field(min_length=SHORTEST, max_length=LONGEST, description="At least 8 characters", examples=["..."])
]
Permissions = Annotated[
    list[Permission],
    AfterValidator(_once_each),
    Field(max_length=16, description="What the user may do; none implies another", examples=[["read", "write"]]),
]


class TokenAnswer(ResponseBody):
    """What a login or a refresh hands out."""

    access_token: str
    refresh_token: str = Field(description="Good for one use: it is exchanged for the next pair")
    token_type: Literal["bearer"] = "bearer"  # noqa: S105 - the kind of token, not one
    expires_in: int = Field(description="Life of the access token, in seconds")


class RefreshBody(RequestBody):
    """A refresh token, to exchange or to end its session."""

    refresh_token: Annotated[str, Field(min_length=1, max_length=256)]


class TicketAnswer(ResponseBody):
    """A ticket, to open one stream with: ``?ticket=…``."""

    ticket: str
    expires_in: int = Field(description="Seconds in which it has to be used")


class PasswordChange(RequestBody):
    """A change of one's own password."""

    current_password: Annotated[SecretStr, Field(max_length=LONGEST)]
    new_password: Password


class Me(ResponseBody):
    """Who the caller is, and what it may do with the credential at hand."""

    id: int
    username: str
    permissions: list[Permission]
    credential: Credential


class UserCreate(RequestBody):
    """A new user."""

    username: Username
    password: Password
    permissions: Permissions = Field(default=[Permission.READ])
    enabled: StrictBool = True


class UserChange(RequestBody):
    """What changes of a user; what is left out, or null, stays."""

    username: Username | None = None
    password: Password | None = None
    permissions: Permissions | None = None
    enabled: StrictBool | None = None


class UserAnswer(ResponseBody):
    """A user."""

    id: int
    username: str
    permissions: list[str]
    enabled: bool
    created_at: Timestamp
    updated_at: Timestamp


class TokenCreate(RequestBody):
    """A new API token of the caller's."""

    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]
    scopes: Annotated[Permissions, Field(min_length=1)]
    expires_in_days: Annotated[int, Field(ge=1, le=LONGEST_TOKEN_DAYS, strict=True)] | None = Field(
        default=90, description="Null for a token that never expires"
    )


class TokenOwner(ResponseBody):
    """Whose a token is."""

    id: int
    username: str


class ApiTokenAnswer(ResponseBody):
    """An API token; its secret is shown by the answer that made it, and never again."""

    id: int
    name: str
    prefix: str = Field(description="How the token begins")
    user: TokenOwner
    scopes: list[str]
    expires_at: Timestamp | None
    last_used_at: Timestamp | None
    created_at: Timestamp
    revoked_at: Timestamp | None


class NewApiTokenAnswer(ApiTokenAnswer):
    """An API token that was just made."""

    token: str = Field(description="The secret; it can't be shown again")
