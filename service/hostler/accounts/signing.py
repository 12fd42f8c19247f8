# SPDX-License-Identifier: GPL-3.0-or-later
"""Access tokens: JWTs that we sign and nobody else, for ten minutes.

The keys stand in a file of their owner's only (`hostler.key_file`). The active one signs, and all of them verify: an
old one can be taken out when the tokens that it signed have expired. HS256 will do, because the service that signs is
the one that verifies.
"""

from __future__ import annotations

import secrets
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import jwt

from hostler.bodies import LARGEST_INTEGER
from hostler.key_file import load_keys
from hostler.permission import CredentialRefused

if TYPE_CHECKING:
    from hostler.settings import Settings

ALGORITHM = "HS256"
ISSUER = "hostler"
AUDIENCE = "hostler-api"
EXPIRED = "expired"
"""Why an access token is refused that was good until its time was over, which is every session's everyday."""
_REQUIRED = ("exp", "iat", "iss", "aud", "sub", "jti")
_REMEMBERED_AT_MOST = 10_000
_CLOCK_SKEW = timedelta(seconds=5)  # between services that share a database


@dataclass(frozen=True, slots=True)
class AccessClaims:
    """What an access token says, after its signature and times were checked."""

    user_id: int
    epoch: int
    """The user's ``session_epoch`` when it was signed."""
    session: str
    """The family of refresh tokens that it came with."""


class Signer:
    """Signs and reads access tokens."""

    def __init__(self, keys: Mapping[str, bytes], active: str, lifetime: timedelta) -> None:
        self._keys = keys
        self._active = active
        self.lifetime = lifetime
        self._read: OrderedDict[str, tuple[float, AccessClaims]] = OrderedDict()

    def sign(self, claims: AccessClaims) -> str:
        """Return an access token that is good for ``lifetime`` from now."""
        now = datetime.now(UTC)
        return jwt.encode(
            {
                "iss": ISSUER,
                "aud": AUDIENCE,
                "sub": str(claims.user_id),
                "jti": secrets.token_hex(8),
                "iat": now,
                "exp": now + self.lifetime,
                "epoch": claims.epoch,
                "session": claims.session,
            },
            self._keys[self._active],
            algorithm=ALGORITHM,
            headers={"kid": self._active},
        )

    def read(self, token: str) -> AccessClaims:
        """Return what ``token`` says; raises Unauthenticated unless it is ours, whole and not expired.

        A token that was found good is remembered until it expires: checking one takes a quarter of a millisecond, and a
        client sends the same one for ten minutes.
        """
        remembered = self._read.get(token)
        if remembered is not None and time.time() < remembered[0]:
            return remembered[1]
        expires, claims = self._check(token)
        self._read[token] = expires, claims
        if len(self._read) > _REMEMBERED_AT_MOST:
            self._read.popitem(last=False)
        return claims

    def _check(self, token: str) -> tuple[float, AccessClaims]:
        """Return when ``token`` expires (seconds since 1970) and what it says; raises Unauthenticated."""
        try:
            key = self._keys[jwt.get_unverified_header(token)["kid"]]
            claims = jwt.decode(
                token,
                key,
                algorithms=[ALGORITHM],
                audience=AUDIENCE,
                issuer=ISSUER,
                leeway=_CLOCK_SKEW,
                options={"require": list(_REQUIRED)},
            )
            user_id, epoch = int(claims["sub"]), int(claims["epoch"])
            if not (0 <= user_id <= LARGEST_INTEGER and 0 <= epoch <= LARGEST_INTEGER):
                raise ValueError
            return float(claims["exp"]), AccessClaims(user_id, epoch, str(claims["session"]))
        except jwt.ExpiredSignatureError:
            raise CredentialRefused(EXPIRED) from None  # ours, which is known by then: the signature comes first
        except (jwt.PyJWTError, KeyError, TypeError, ValueError, OverflowError):
            raise CredentialRefused("unknown_token") from None


def load_signer(settings: Settings) -> Signer:
    """Return the signer of the settings' key, or of the file's keys, which are made where there is none.

    Raises `hostler.key_file.KeyFileError` if the file can be read by others, or is not what it should be.
    """
    lifetime = timedelta(seconds=settings.access_token_seconds)
    if settings.signing_key is not None:
        return Signer({"setting": settings.signing_key.get_secret_value().encode()}, "setting", lifetime)
    path = settings.signing_keys_file
    assert path is not None  # noqa: S101 - Settings fills it in
    settings.make_state_dir()
    keys = load_keys(path, "signing keys", loss="everybody logs in anew")
    return Signer(keys.by_name, keys.active, lifetime)
