"""Login by OpenID Connect: the authorization code flow with PKCE (RFC 7636), state and nonce.

https://openid.net/specs/openid-connect-core-1_0.html#CodeFlowAuth
"""

import asyncio
import hashlib
import json
import secrets
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode, urlsplit

from aiohttp import ClientError, ClientSession, ClientTimeout

from worker.access.id_token import Member, Unproven, member_of
from worker.access.settings import OidcSettings
from worker.address import is_loopback
from worker.clock import Clock

#: Where the provider sends people back to.
RETURN = "/login/return"
_DISCOVERY = "/.well-known/openid-configuration"
#: How long an answer of the provider may take, in seconds, and how large it may be, in bytes.
_SECONDS, _LARGEST = 10.0, 1_000_000
#: How long the provider's addresses and keys are kept, in ms.
_KEPT_MS = 3_600_000


class Begun(NamedTuple):
    """A login that has begun, which the browser keeps in a sealed cookie until the provider sends it back."""

    state: str
    nonce: str
    verifier: str


class Failed(Exception):
    """The provider has not logged anybody in. The text is for the log, and has no secret and no name."""


class _Described(NamedTuple):
    """What the provider says of itself."""

    document: Mapping[str, Any]
    keys: Mapping[str, Any]
    #: When it was read, in ms of a monotonic clock.
    at: int


class Provider:
    """The provider of the login."""

    def __init__(self, settings: OidcSettings, base_url: str, clock: Clock) -> None:
        """`base_url`: the address at which people reach the page."""
        self._settings = settings
        self._return_to = base_url + RETURN
        self._clock = clock
        self._known: _Described | None = None
        self._asking = asyncio.Lock()

    async def begin(self) -> tuple[str, Begun]:
        """Return the address to which the browser goes to log in, and what it has to keep. Raise Failed."""
        begun = Begun(*(secrets.token_urlsafe(32) for _ in Begun._fields))
        described = await self._described()
        query = {
            "response_type": "code",
            "client_id": self._settings.client_id,
            "redirect_uri": self._return_to,
            "scope": " ".join(self._settings.scopes),
            "state": begun.state,
            "nonce": begun.nonce,
            "code_challenge": _encoded(hashlib.sha256(begun.verifier.encode()).digest()),
            "code_challenge_method": "S256",
        }
        endpoint = _endpoint(described.document, "authorization_endpoint")
        return f"{endpoint}{'&' if urlsplit(endpoint).query else '?'}{urlencode(query)}", begun

    async def finish(self, code: str, begun: Begun) -> Member:
        """Return who has logged in, by the code that the browser has brought back. Raise Failed."""
        described = await self._described()
        token = await self._id_token(described.document, code, begun.verifier)
        try:
            return self._member(token, described, begun)
        except Unproven:
            # Perhaps the provider has new keys.
            newer = await self._described(not_of=described)
        try:
            return self._member(token, newer, begun)
        except Unproven as error:
            raise Failed(str(error)) from None

    def _member(self, token: str, described: _Described, begun: Begun) -> Member:
        return member_of(token, described.keys, self._settings, begun.nonce, self._clock.now())

    async def _id_token(self, document: Mapping[str, Any], code: str, verifier: str) -> str:
        """Return the ID token that the provider gives for a code."""
        secret = self._settings.client_secret
        assert secret is not None
        client, password = self._settings.client_id, secret.get_secret_value()
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._return_to,
            "code_verifier": verifier,
        }
        methods = document.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        headers = dict[str, str]()
        if "client_secret_basic" in methods:
            login = f"{quote(client, safe='')}:{quote(password, safe='')}"
            headers["Authorization"] = f"Basic {b64encode(login.encode()).decode()}"
        else:
            form |= {"client_id": client, "client_secret": password}
        answer = await self._asked("POST", _endpoint(document, "token_endpoint"), data=form, headers=headers)
        token = answer.get("id_token")
        if not isinstance(token, str):
            raise Failed("the provider has returned no ID token")
        return token

    async def _described(self, not_of: _Described | None = None) -> _Described:
        """Return the provider's addresses and keys, which are read at most once an hour, unless `not_of` is known."""
        async with self._asking:
            known, now = self._known, self._clock.steady()
            if known is not None and known is not not_of and now - known.at < _KEPT_MS:
                return known
            issuer = self._settings.issuer or ""
            document = await self._asked("GET", issuer.rstrip("/") + _DISCOVERY)
            if document.get("issuer") != issuer:
                raise Failed("the provider calls itself otherwise than web.auth.oidc.issuer")
            keys = await self._asked("GET", _endpoint(document, "jwks_uri"))
            self._known = _Described(document, keys, now)
            return self._known

    async def _asked(self, method: str, url: str, **options: Any) -> Mapping[str, Any]:
        """Return what the provider answers. Raise Failed if it does not answer with an object of JSON."""
        try:
            async with (
                ClientSession(timeout=ClientTimeout(total=_SECONDS)) as client,
                client.request(method, url, allow_redirects=False, **options) as response,
            ):
                status, body = response.status, bytearray()
                async for chunk in response.content.iter_any():
                    body += chunk
                    if len(body) > _LARGEST:
                        raise Failed("the provider's answer is too large")
        except (ClientError, OSError, TimeoutError) as error:
            raise Failed(f"the provider does not answer: {type(error).__name__}") from None
        if status != 200:
            raise Failed(f"the provider has answered with the status {status}")
        try:
            answer = json.loads(body)
        except (ValueError, RecursionError):
            answer = None
        if not isinstance(answer, dict):
            raise Failed("the provider has answered without JSON")
        return answer


def _endpoint(document: Mapping[str, Any], name: str) -> str:
    """Return an address of the provider. It has https, unless it is one of this machine."""
    url = document.get(name)
    if isinstance(url, str):
        parts = urlsplit(url)
        if parts.hostname and (parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname))):
            return url
    raise Failed(f"the provider names no usable {name}")


def _encoded(content: bytes) -> str:
    return urlsafe_b64encode(content).rstrip(b"=").decode()
