"""The ID token of OpenID Connect: who has logged in, said and signed by the provider.

What is checked is listed in https://openid.net/specs/openid-connect-core-1_0.html#IDTokenValidation.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from schemas.base import LONGEST_ID
from worker.access.settings import OidcSettings
from worker.flow.text import on_one_line

#: The algorithms that are accepted: those with a public key. A provider's secret never signs, and nothing is unsigned.
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
#: By how much the provider's clock may differ, in seconds.
_CLOCKS_DIFFER = 60
_MOST_GROUPS = 1_000


class Unproven(Exception):
    """An ID token that proves nothing. The text says why, without a value of the token."""


class Member(NamedTuple):
    """Somebody who has logged in with the provider."""

    name: str
    groups: frozenset[str]


def member_of(token: str, keys: Mapping[str, Any], settings: OidcSettings, nonce: str, now: int) -> Member:
    """Return who has logged in.

    `keys`: the provider's key set, as JSON; `nonce`: what this login was begun with; `now`: in ms. Raise Unproven if
    the token was not made by the provider, for this page and this login, and just now.
    """
    try:
        known = KeySet.import_key_set({"keys": [*keys["keys"]]})
        claims = jwt.decode(token, known, algorithms=[*ALGORITHMS]).claims
        registry = jwt.JWTClaimsRegistry(
            now=now // 1_000,
            leeway=_CLOCKS_DIFFER,
            iss={"essential": True, "value": settings.issuer or ""},
            aud={"essential": True, "value": settings.client_id},
            sub={"essential": True},
            exp={"essential": True},
            iat={"essential": True},
            nonce={"essential": True, "value": nonce},
        )
        registry.validate(claims)
    except JoseError as error:
        raise Unproven(f"the ID token is not valid: {error.error}") from None
    except (KeyError, TypeError, ValueError):
        raise Unproven("the ID token or the provider's key set cannot be read") from None
    audience = claims["aud"]
    if isinstance(audience, list) and len(audience) > 1 and claims.get("azp") != settings.client_id:
        raise Unproven("the ID token is for several pages, and was not issued to this one")
    return _member(claims, settings)


def _member(claims: Mapping[str, Any], settings: OidcSettings) -> Member:
    named = claims.get(settings.name_claim) or claims["sub"]
    name = on_one_line(named).strip() if isinstance(named, str) else ""
    if not 0 < len(name) <= LONGEST_ID:
        raise Unproven(f"the ID token has no name that could be written down ({settings.name_claim})")
    groups = claims.get(settings.groups_claim)
    listed = [groups] if isinstance(groups, str) else groups if isinstance(groups, list) else []
    return Member(name, frozenset(group for group in listed[:_MOST_GROUPS] if isinstance(group, str)))
