"""Sessions and the tokens of forms: signed, so that each web process that has the keys accepts them.

A session is a cookie with what is needed to find the person's rights in the settings again, and never the rights: who
is removed from the settings, or gets another password, is out as soon as the process is started with the new settings.
That a session was ended before its time is known from `nps.audit` (sessions.py in worker/web).
"""

import hashlib
import hmac
from collections.abc import Sequence
from typing import Any, NamedTuple

from itsdangerous import BadData, URLSafeSerializer
from pydantic import SecretStr

from worker.access.person import Person
from worker.access.settings import AuthSettings
from worker.flow.timestamps import HOUR

#: The longest cookie, in characters.
_LONGEST = 2_000
#: By how much the clocks of two web processes may differ, in ms.
_CLOCKS_DIFFER = 60_000
_SALT = "detractor-worker.session"

#: How somebody has logged in.
PASSWORD, OIDC = "password", "oidc"


class Session(NamedTuple):
    """A login that lasts."""

    #: Random, and secret.
    id: str
    #: PASSWORD or OIDC.
    method: str
    #: The name of the person.
    name: str
    #: The group that decides about the person (AuthSettings.group_of); empty for a user with a password.
    group: str
    #: When the person has logged in, in ms.
    began: int
    #: A fingerprint of the password's hash; empty for OIDC.
    proof: str = ""

    def is_over(self, now: int, hours: int) -> bool:
        """Say whether the time of the session is over. `now`: in ms; `hours`: how long a session lasts."""
        return now - self.began >= hours * HOUR


def public_id(session_id: str) -> str:
    """Return the name of a session that others may know. The id cannot be computed from it."""
    return hashlib.sha256(f"session {session_id}".encode()).hexdigest()[:32]


class Seals:
    """Signs and reads cookies, and makes the tokens of forms. The first key signs, all are accepted."""

    def __init__(self, keys: Sequence[SecretStr]) -> None:
        self._keys = [key.get_secret_value() for key in keys]

    def sealed(self, purpose: str, payload: list[Any]) -> str:
        """Return a payload as text that nobody without a key can make or change. Everybody can read it."""
        return str(self._serializer(purpose).dumps(payload))

    def opened(self, purpose: str, text: str) -> list[Any] | None:
        """Return the payload of a sealed text; None if it was not sealed for this purpose with one of the keys."""
        if len(text) > _LONGEST or not text.isascii():
            return None
        try:
            payload = self._serializer(purpose).loads(text)
        except BadData:
            return None
        return payload if isinstance(payload, list) else None

    def proof(self, password_hash: str) -> str:
        """Return the fingerprint of the hash of a password, by which a change of the password is seen."""
        return self._proof(self._keys[0], password_hash)

    def proves(self, proof: str, password_hash: str) -> bool:
        """Say whether a fingerprint is that of the hash of a password."""
        return any(hmac.compare_digest(proof, self._proof(key, password_hash)) for key in self._keys)

    def form_token(self, browser: str, owner: str) -> str:
        """Return what forms have to send back.

        `browser`: the random text in the browser's cookie; `owner`: whose forms they are, such as a session's id.
        """
        return self._token(self._keys[0], browser, owner)

    def accepts(self, token: str, browser: str, owner: str) -> bool:
        """Say whether a form was made for a browser and an owner."""
        if not (browser and token.isascii()):
            return False
        return any(hmac.compare_digest(token, self._token(key, browser, owner)) for key in self._keys)

    def cookie(self, session: Session) -> str:
        """Return the cookie of a session."""
        return self.sealed(_SALT, [*session])

    def session(self, cookie: str, now: int, hours: int) -> Session | None:
        """Return the session of a cookie; None if there is none, or if its time is over. `now`: in ms."""
        match self.opened(_SALT, cookie):
            case [str(session_id), str(method), str(name), str(group), int(began), str(proof)]:
                found = Session(session_id, method, name, group, began, proof)
                return None if began > now + _CLOCKS_DIFFER or found.is_over(now, hours) else found
            case _:  # there is none, or another version has made it
                return None

    def person(self, session: Session, auth: AuthSettings) -> Person | None:
        """Return the person of a session with the rights that the settings give by now; None if there are none."""
        if session.method == OIDC:
            return auth.member(session.name, session.group) if auth.oidc.issuer is not None else None
        user = auth.users.get(session.name)
        if user is None or user.password_hash is None:
            return None
        is_same = self.proves(session.proof, user.password_hash.get_secret_value())
        return auth.user(session.name) if is_same else None

    def _serializer(self, purpose: str) -> URLSafeSerializer:
        return URLSafeSerializer(
            self._keys[::-1],  # itsdangerous signs with the last one
            salt=purpose,
            signer_kwargs={"key_derivation": "hmac", "digest_method": hashlib.sha256},
        )

    @staticmethod
    def _proof(key: str, password_hash: str) -> str:
        return _mac(key, "password", password_hash)[:32]

    @staticmethod
    def _token(key: str, browser: str, owner: str) -> str:
        return _mac(key, "form", f"{browser} {owner}")


def _mac(key: str, purpose: str, text: str) -> str:
    """Return the HMAC-SHA-256 of a text, by a key that is derived for this purpose."""
    derived = hmac.digest(key.encode(), f"detractor-worker.{purpose}".encode(), "sha256")
    return hmac.new(derived, text.encode(), hashlib.sha256).hexdigest()
