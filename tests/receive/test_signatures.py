"""Which requests are authentic: every scheme, and every reason why a request is not."""

import base64
import hashlib
import hmac
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import pytest
from standardwebhooks.webhooks import Webhook

from worker.receive.signatures import MEANING, Request, Scheme, Signing, Unauthentic, secret_problem, verify

#: 2026-03-02T11:00:00Z, in ms.
NOW = 1_772_449_200_000
BODY = '{"score": 0, "comment": "déçu"}'.encode()
SECRET, OTHER = "kanarienvogel", "another-secret"
WHSEC = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
URL = "https://nps.example.com/receive/hubspot"

DIGESTS = {
    Scheme.HMAC_SHA256_HEX: ("sha256", "hex"),
    Scheme.HMAC_SHA256_BASE64: ("sha256", "base64"),
    Scheme.HMAC_SHA1_HEX: ("sha1", "hex"),
    Scheme.HMAC_SHA1_BASE64: ("sha1", "base64"),
    Scheme.HMAC_SHA512_HEX: ("sha512", "hex"),
    Scheme.HMAC_SHA512_BASE64: ("sha512", "base64"),
}


def digest(name: str, encoding: str, signed: bytes, secret: str = SECRET) -> str:
    """Return a digest as openssl would print it."""
    raw = hmac.new(secret.encode(), signed, getattr(hashlib, name)).digest()
    return raw.hex() if encoding == "hex" else base64.b64encode(raw).decode()


def request(body: bytes = BODY, **headers: str) -> Request:
    return Request(body, {name.replace("_", "-"): value for name, value in headers.items()}, url=URL)


@pytest.mark.parametrize("prefix", ["", "sha256=", "SHA1=", "sha512="])
@pytest.mark.parametrize("scheme", DIGESTS)
def test_a_digest_of_the_raw_body_is_accepted_with_and_without_its_name(scheme: Scheme, prefix: str) -> None:
    signing = Signing(scheme, "x-signature")
    given = request(x_signature=prefix + digest(*DIGESTS[scheme], BODY))

    assert verify(signing, [SECRET], given, NOW) is None
    assert verify(signing, [OTHER, SECRET], given, NOW) is None
    assert verify(signing, [OTHER], given, NOW) is Unauthentic.SIGNATURE_WRONG
    assert verify(signing, [SECRET], given._replace(body=BODY + b" "), NOW) is Unauthentic.SIGNATURE_WRONG
    assert verify(signing, [SECRET], request(), NOW) is Unauthentic.SIGNATURE_MISSING


@pytest.mark.parametrize("scheme", DIGESTS)
def test_a_digest_in_another_encoding_or_of_another_length_says_so(scheme: Scheme) -> None:
    name, encoding = DIGESTS[scheme]
    other = "base64" if encoding == "hex" else "hex"
    for text in (digest(name, other, BODY), "é", "ab", digest(name, encoding, BODY)[:-4], "0" * 10_000):
        assert verify(Signing(scheme, "x"), [SECRET], request(x=text), NOW) is Unauthentic.SIGNATURE_MALFORMED


def standard(*signatures: str, at: int = NOW // 1_000, name: str = "webhook") -> Request:
    headers = {f"{name}-id": "msg_1", f"{name}-timestamp": str(at), f"{name}-signature": " ".join(signatures)}
    return Request(BODY, headers)


def signed(at: int = NOW // 1_000, secret: str = WHSEC) -> str:
    return Webhook(secret).sign("msg_1", datetime.fromtimestamp(at, UTC), BODY.decode())


STANDARD = Signing(Scheme.STANDARD_WEBHOOKS)


@pytest.mark.parametrize("name", ["webhook", "svix"])
def test_what_the_library_of_standard_webhooks_signs_is_accepted(name: str) -> None:
    assert verify(STANDARD, [WHSEC], standard(signed(), name=name), NOW) is None
    assert verify(STANDARD, [WHSEC], standard("v1,AAAA", "v2,x", "junk", signed(), name=name), NOW) is None
    # The library takes a secret without the prefix, and without the padding, too.
    assert verify(STANDARD, [WHSEC.removeprefix("whsec_").rstrip("=")], standard(signed(), name=name), NOW) is None


def test_what_is_accepted_is_accepted_by_the_library_as_well() -> None:
    at = int(datetime.now(UTC).timestamp())
    given = standard(signed(at), at=at)

    assert verify(STANDARD, [WHSEC], given, at * 1_000) is None
    assert Webhook(WHSEC).verify(BODY, dict(given.headers))["score"] == 0


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (Request(BODY, {}), Unauthentic.SIGNATURE_MISSING),
        (standard(), Unauthentic.SIGNATURE_MISSING),
        (standard(signed(secret="whsec_" + "QUJD" * 8)), Unauthentic.SIGNATURE_WRONG),
        (standard(signed())._replace(body=b"{}"), Unauthentic.SIGNATURE_WRONG),
        (standard("v1,é"), Unauthentic.SIGNATURE_MALFORMED),
        (standard("v2,AAAA"), Unauthentic.SIGNATURE_MALFORMED),
        (standard(signed(), at=-1), Unauthentic.TIMESTAMP_MISSING),
        (standard(signed(), at=10**30), Unauthentic.TIMESTAMP_MISSING),
        # Five minutes are accepted, and a second more is not.
        (standard(signed(NOW // 1_000 - 300), at=NOW // 1_000 - 300), None),
        (standard(signed(NOW // 1_000 + 300), at=NOW // 1_000 + 300), None),
        (standard(signed(NOW // 1_000 - 301), at=NOW // 1_000 - 301), Unauthentic.TIMESTAMP_TOO_OLD),
        (standard(signed(NOW // 1_000 + 301), at=NOW // 1_000 + 301), Unauthentic.TIMESTAMP_IN_FUTURE),
    ],
)
def test_standard_webhooks_reasons(given: Request, reason: Unauthentic | None) -> None:
    assert verify(STANDARD, [WHSEC], given, NOW) is reason


def hubspot(url: str = URL, signed_url: str = URL, at: str = str(NOW), **changes: Any) -> Request:
    text = digest("sha256", "base64", b"POST" + signed_url.encode() + BODY + at.encode())
    headers = {"x-hubspot-signature-v3": text, "x-hubspot-request-timestamp": at}
    return Request(BODY, headers, url=url)._replace(**changes)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (hubspot(), None),
        # HubSpot signs some characters decoded, whatever case their escapes have.
        (hubspot(url=f"{URL}?a=%40b%3a%2F", signed_url=f"{URL}?a=@b:/"), None),
        (hubspot(url=f"{URL}?a=%20", signed_url=f"{URL}?a=%20"), None),
        (hubspot(url=f"{URL}/other"), Unauthentic.SIGNATURE_WRONG),
        (hubspot(method="PUT"), Unauthentic.SIGNATURE_WRONG),
        (hubspot(body=b"[]"), Unauthentic.SIGNATURE_WRONG),
        (hubspot(headers={}), Unauthentic.SIGNATURE_MISSING),
        (hubspot(at=str(NOW - 300_001)), Unauthentic.TIMESTAMP_TOO_OLD),
        (hubspot(at=str(NOW + 300_001)), Unauthentic.TIMESTAMP_IN_FUTURE),
        (hubspot(at="yesterday"), Unauthentic.TIMESTAMP_MISSING),
    ],
)
def test_hubspot_reasons(given: Request, reason: Unauthentic | None) -> None:
    assert verify(Signing(Scheme.HUBSPOT_V3), [SECRET], given, NOW) is reason


@pytest.mark.parametrize("text", ["\ud83d", chr(0xDCFF), "\udcff\ud83d", "é", "😀"])
def test_what_is_no_text_raises_nothing(text: str) -> None:
    given = standard(signed())
    wrong = given._replace(headers={**given.headers, "webhook-id": text})

    assert verify(STANDARD, [WHSEC], wrong, NOW) is Unauthentic.SIGNATURE_WRONG
    assert verify(Signing(Scheme.HUBSPOT_V3), [SECRET], hubspot(url=URL + text), NOW) is Unauthentic.SIGNATURE_WRONG
    assert verify(Signing(Scheme.SECRET_HEADER), [SECRET], request(authorization=text), NOW) is Unauthentic.SECRET_WRONG
    path = Request(BODY, {}, path_secret=text)
    assert verify(Signing(Scheme.SECRET_PATH), [SECRET], path, NOW) is Unauthentic.SECRET_WRONG


def test_an_address_whose_bytes_are_no_utf8_is_signed_as_these_bytes() -> None:
    text = digest("sha256", "base64", b"POST" + URL.encode() + b"\xff" + BODY + str(NOW).encode())
    given = hubspot(url=URL + "\udcff")
    given = given._replace(headers={**given.headers, "x-hubspot-signature-v3": text})

    assert verify(Signing(Scheme.HUBSPOT_V3), [SECRET], given, NOW) is None


def qualtrics(message: str, given: str) -> Request:
    return Request(urlencode({"Topic": "t", "HMAC": given, "MSG": message}).encode(), {})


def test_qualtrics_signs_the_message_in_the_form() -> None:
    message = '{"ResponseID": "R_1", "é": 1}'
    fine, signing = digest("sha512", "hex", message.encode()), Signing(Scheme.QUALTRICS)

    assert verify(signing, [SECRET], qualtrics(message, fine), NOW) is None
    assert verify(signing, [SECRET], qualtrics(message + " ", fine), NOW) is Unauthentic.SIGNATURE_WRONG
    assert verify(signing, [SECRET], qualtrics(message, ""), NOW) is Unauthentic.SIGNATURE_MISSING
    assert verify(signing, [SECRET], Request(b"\xff", {}), NOW) is Unauthentic.SIGNATURE_MISSING
    assert verify(signing, [SECRET], Request(b"a=1&" * 2_000, {}), NOW) is Unauthentic.SIGNATURE_MISSING
    assert verify(signing, [SECRET], Request(b"MSG=%ff&HMAC=00", {}), NOW) is Unauthentic.SIGNATURE_MISSING


@pytest.mark.parametrize("value", [SECRET, f"Bearer {SECRET}", f"bearer  {SECRET}"])
def test_a_header_can_have_the_secret_itself(value: str) -> None:
    signing = Signing(Scheme.SECRET_HEADER)

    assert verify(signing, [OTHER, SECRET], request(authorization=value), NOW) is None
    assert verify(signing, [OTHER], request(authorization=value), NOW) is Unauthentic.SECRET_WRONG
    assert verify(signing, [SECRET], request(authorization=f"{value}x"), NOW) is Unauthentic.SECRET_WRONG
    assert verify(signing, [SECRET], request(authorization="é\udcff"), NOW) is Unauthentic.SECRET_WRONG
    assert verify(signing, [SECRET], request(), NOW) is Unauthentic.SECRET_MISSING
    assert verify(Signing(Scheme.SECRET_HEADER, "x-token"), [SECRET], request(x_token=value), NOW) is None


def test_the_path_can_have_the_secret_itself() -> None:
    signing = Signing(Scheme.SECRET_PATH)

    assert verify(signing, [SECRET], Request(BODY, {}, path_secret=SECRET), NOW) is None
    assert verify(signing, [SECRET], Request(BODY, {}, path_secret="x"), NOW) is Unauthentic.SECRET_WRONG
    assert verify(signing, [SECRET], Request(BODY, {}), NOW) is Unauthentic.SECRET_MISSING


def test_every_reason_is_explained() -> None:
    assert set(MEANING) == set(Unauthentic)


@pytest.mark.parametrize(
    ("scheme", "secret", "is_fine"),
    [
        (Scheme.STANDARD_WEBHOOKS, WHSEC, True),
        (Scheme.STANDARD_WEBHOOKS, "whsec_***", False),
        (Scheme.STANDARD_WEBHOOKS, "whsec_", False),
        (Scheme.HMAC_SHA1_HEX, "anything", True),
        (Scheme.HMAC_SHA1_HEX, "", False),
    ],
)
def test_a_text_that_cannot_be_a_secret_is_found(scheme: Scheme, secret: str, *, is_fine: bool) -> None:
    problem = secret_problem(scheme, secret)

    assert (problem is None) is is_fine
    assert "***" not in (problem or "")
