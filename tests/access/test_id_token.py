"""The ID token: each rule of the specification has a token that breaks it."""

import hmac
from base64 import urlsafe_b64encode
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, OctKey, RSAKey
from pydantic import SecretStr

from worker.access.id_token import Member, Unproven, member_of
from worker.access.settings import OidcSettings

NOW = 1_796_126_400_000
SECONDS = NOW // 1_000
KEY, OTHER = RSAKey.generate_key(2_048, {"kid": "a"}), RSAKey.generate_key(2_048, {"kid": "a"})
EC = ECKey.generate_key("P-256", {"kid": "e"})
KEYS: dict[str, Any] = dict(KeySet([KEY, EC]).as_dict(private=False))
SETTINGS = OidcSettings(issuer="https://login.test", client_id="page", client_secret=SecretStr("s" * 32))
CLAIMS: dict[str, Any] = {
    "iss": "https://login.test",
    "aud": "page",
    "sub": "0815",
    "exp": SECONDS + 300,
    "iat": SECONDS,
    "nonce": "n",
    "preferred_username": "zoe@example.com",
    "groups": ["care", 7, "boss"],
}


def token(key: Any = KEY, algorithm: str = "RS256", kid: str = "a", **changes: Any) -> str:
    claims = {name: value for name, value in {**CLAIMS, **changes}.items() if value is not None}
    return jwt.encode({"alg": algorithm, "kid": kid}, claims, key, algorithms=[algorithm])


def read(text: str, keys: Any = KEYS, now: int = NOW) -> Member:
    return member_of(text, keys, SETTINGS, "n", now)


def test_a_token_of_the_provider_says_who_it_is() -> None:
    assert read(token()) == Member("zoe@example.com", frozenset({"care", "boss"}))
    assert read(token(EC, "ES256", "e")) == Member("zoe@example.com", frozenset({"care", "boss"}))
    assert read(token(aud=["page", "other"], azp="page")).name == "zoe@example.com"
    assert read(token(aud=["page"])).name == "zoe@example.com"
    assert read(token(preferred_username=None)) == Member("0815", frozenset({"care", "boss"}))
    assert read(token(groups="care")).groups == {"care"}
    assert read(token(groups=None)).groups == frozenset()
    assert read(token(groups={"care": True})).groups == frozenset()


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://evil.test"},
        {"iss": None},
        {"aud": "other"},
        {"aud": None},
        {"aud": ["page", "other"]},
        {"aud": ["page", "other"], "azp": "other"},
        {"sub": None},
        {"exp": SECONDS - 61},
        {"exp": None},
        {"iat": SECONDS + 3_600},
        {"iat": None},
        {"nonce": "m"},
        {"nonce": None},
        {"preferred_username": ["zoe"]},
        {"preferred_username": "x" * 201},
    ],
)
def test_a_token_with_wrong_claims_proves_nothing(changes: dict[str, Any]) -> None:
    with pytest.raises(Unproven):
        read(token(**changes))


def test_a_token_that_the_provider_has_not_signed_proves_nothing() -> None:
    unsigned = "eyJhbGciOiJub25lIn0." + token().split(".")[1] + "."
    head = token(OctKey.import_key("s" * 32), "HS256").rpartition(".")[0]
    mac = hmac.digest(KEY.as_pem(private=False), head.encode(), "sha256")  # the public key as if it were a secret
    confused = f"{head}.{urlsafe_b64encode(mac).rstrip(b'=').decode()}"
    shared = token(OctKey.import_key("s" * 32), "HS256")  # the client's secret
    for wrong in (token(OTHER), token(kid="unknown"), unsigned, confused, shared, "", "x", "x.y.z", token()[:-4]):
        with pytest.raises(Unproven):
            read(wrong)


@pytest.mark.parametrize("keys", [{}, {"keys": None}, {"keys": []}, {"keys": [7]}, {"keys": [{"kty": "x"}]}])
def test_a_key_set_that_cannot_be_read_proves_nothing(keys: Any) -> None:
    with pytest.raises(Unproven):
        read(token(), keys)


def test_an_error_shows_nothing_of_the_token() -> None:
    with pytest.raises(Unproven) as caught:
        read(token(iss="https://canary.test"))

    assert "canary" not in str(caught.value)
