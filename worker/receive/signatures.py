"""Whether a delivery comes from the tool that knows the secret: the schemes by which survey tools sign. Pure.

The interface is `verify`: it gets a scheme, the secrets of the source, the request as it arrived, and the time, and
returns None if the request is authentic, or else the stable reason why it is not. It compares in constant time, and no
reason and no error has a part of a secret or of the request.

The signature covers the raw bytes of the body, so a caller must not parse and write the body before. While a secret is
replaced, a source has two secrets: a request is authentic if one of them fits.
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple
from urllib.parse import parse_qsl

#: How much the time of a signature may differ from the worker's clock, in ms: what Standard Webhooks and HubSpot say.
TOLERANCE = 300_000
#: The header that a secret header has if no other is named.
AUTHORIZATION = "authorization"

_BEARER = re.compile(r"bearer +", re.IGNORECASE)
#: What may stand before a digest: the name of the hash.
_PREFIX = re.compile(r"sha(1|256|512)=", re.IGNORECASE)
_WHSEC = "whsec_"
#: The characters that HubSpot writes decoded in the address that it signs.
_HUBSPOT_DECODED = {
    "%3A": ":", "%2F": "/", "%3F": "?", "%40": "@", "%21": "!", "%24": "$", "%27": "'", "%28": "(", "%29": ")",
    "%2A": "*", "%2C": ",", "%3B": ";",
}  # fmt: skip
_HUBSPOT_ENCODED = re.compile("|".join(_HUBSPOT_DECODED), re.IGNORECASE)
_SECONDS, _MILLISECONDS = 1_000, 1
#: The longest number of a time that is read, in digits.
_LONGEST_TIME = 16
#: The largest number of fields of a form that are read.
_MOST_FIELDS = 1_000


class Scheme(StrEnum):
    """How the requests of a source prove where they come from."""

    HMAC_SHA256_HEX = "hmac-sha256-hex"
    HMAC_SHA256_BASE64 = "hmac-sha256-base64"
    HMAC_SHA1_HEX = "hmac-sha1-hex"
    HMAC_SHA1_BASE64 = "hmac-sha1-base64"
    HMAC_SHA512_HEX = "hmac-sha512-hex"
    HMAC_SHA512_BASE64 = "hmac-sha512-base64"
    #: https://www.standardwebhooks.com
    STANDARD_WEBHOOKS = "standard-webhooks"
    #: HMAC-SHA256 of the method, the address, the body and the time, in base64.
    HUBSPOT_V3 = "hubspot-v3"
    #: HMAC-SHA512 of the form's field MSG, in its field HMAC.
    QUALTRICS = "qualtrics"
    #: No signature: a header has the secret itself.
    SECRET_HEADER = "secret-header"  # noqa: S105 - the name of a scheme
    #: No signature: the last part of the path is the secret itself.
    SECRET_PATH = "secret-path"  # noqa: S105 - the name of a scheme


class Signing(NamedTuple):
    """How a source signs. `header`: the header with the signature or the secret, if the scheme does not fix it."""

    scheme: Scheme
    header: str = ""


class Request(NamedTuple):
    """A request as it arrived."""

    body: bytes
    #: Each header by its name in lower case.
    headers: Mapping[str, str]
    method: str = "POST"
    #: The address to which the tool has posted, with https, the host, the path and the query. HubSpot signs it.
    url: str = ""
    #: The part of the path that follows the name of the source; empty if there is none.
    path_secret: str = ""
    #: When it arrived, in ms; None if that is not known. An answer of a tool that sends no time has this time.
    arrived_at: int | None = None


class Unauthentic(StrEnum):
    """Why a request is not authentic. These words are stable."""

    SIGNATURE_MISSING = "signature_missing"
    #: It is no digest in the encoding of the scheme, for instance hex where base64 is expected.
    SIGNATURE_MALFORMED = "signature_malformed"
    SIGNATURE_WRONG = "signature_wrong"
    TIMESTAMP_MISSING = "timestamp_missing"
    TIMESTAMP_TOO_OLD = "timestamp_too_old"
    TIMESTAMP_IN_FUTURE = "timestamp_in_future"
    SECRET_MISSING = "secret_missing"  # noqa: S105 - a reason
    SECRET_WRONG = "secret_wrong"  # noqa: S105 - a reason


#: What each reason means, for people.
MEANING: Mapping[Unauthentic, str] = {
    Unauthentic.SIGNATURE_MISSING: "the signature is missing",
    Unauthentic.SIGNATURE_MALFORMED: "the signature is not in the encoding that the tool uses",
    Unauthentic.SIGNATURE_WRONG: "the signature fits none of the secrets, or the body was changed on its way",
    Unauthentic.TIMESTAMP_MISSING: "the time of the signature is missing, or is no number",
    Unauthentic.TIMESTAMP_TOO_OLD: "the signature is older than five minutes",
    Unauthentic.TIMESTAMP_IN_FUTURE: "the time of the signature lies more than five minutes ahead",
    Unauthentic.SECRET_MISSING: "the secret is missing",
    Unauthentic.SECRET_WRONG: "the secret is none of those in the settings",
}

#: The schemes without a signature: each request has the secret itself.
SENT = frozenset({Scheme.SECRET_HEADER, Scheme.SECRET_PATH})
#: A secret with fewer characters can be guessed: by requests, or by computing signatures of a request that was seen.
SHORTEST_SENT, SHORTEST_SIGNING = 16, 8

_HMACS: Mapping[Scheme, tuple[str, str]] = {
    Scheme.HMAC_SHA256_HEX: ("sha256", "hex"),
    Scheme.HMAC_SHA256_BASE64: ("sha256", "base64"),
    Scheme.HMAC_SHA1_HEX: ("sha1", "hex"),
    Scheme.HMAC_SHA1_BASE64: ("sha1", "base64"),
    Scheme.HMAC_SHA512_HEX: ("sha512", "hex"),
    Scheme.HMAC_SHA512_BASE64: ("sha512", "base64"),
}
#: The schemes whose header the settings have to name, unless the tool has one of its own.
WITH_HEADER = frozenset({*_HMACS, Scheme.SECRET_HEADER})


def verify(signing: Signing, secrets: Sequence[str], request: Request, now: int) -> Unauthentic | None:
    """Return why a request is not authentic; None if it is. `now`: the time at which it arrived, in ms."""
    if signing.scheme is Scheme.STANDARD_WEBHOOKS:
        return _standard_webhooks(secrets, request, now)
    if signing.scheme is Scheme.HUBSPOT_V3:
        return _hubspot(secrets, request, now)
    if signing.scheme is Scheme.QUALTRICS:
        return _qualtrics(secrets, request)
    if signing.scheme is Scheme.SECRET_HEADER:
        return _secret(secrets, _BEARER.sub("", request.headers.get(signing.header or AUTHORIZATION, ""), count=1))
    if signing.scheme is Scheme.SECRET_PATH:
        return _secret(secrets, request.path_secret)
    digest, encoding = _HMACS[signing.scheme]
    given = _PREFIX.sub("", request.headers.get(signing.header, "").strip(), count=1)
    return _hmac(_as_keys(secrets), digest, encoding, request.body, given)


def secret_problem(scheme: Scheme, secret: str) -> str | None:
    """Return why a text cannot be a secret of a scheme, without repeating it; None if it can."""
    if not secret:
        return "must not be empty"
    if scheme is Scheme.STANDARD_WEBHOOKS and _standard_webhooks_key(secret) is None:
        return "must be 'whsec_' and base64, as the tool shows it"
    return None


def weakness(scheme: Scheme, secret: str) -> str | None:
    """Return why a secret of a scheme is easily guessed, without repeating it; None if it is not.

    The worker takes such a secret nevertheless: a tool may not let its users choose it.
    """
    shortest = SHORTEST_SENT if scheme in SENT else SHORTEST_SIGNING
    return f"has fewer than {shortest} characters, and is easily guessed" if len(secret) < shortest else None


def _secret(secrets: Sequence[str], given: str) -> Unauthentic | None:
    if not given:
        return Unauthentic.SECRET_MISSING
    text = _bytes(given)
    # All are compared, so that the time says nothing about which of them is alike.
    fits = [hmac.compare_digest(secret.encode(), text) for secret in secrets]
    return None if any(fits) else Unauthentic.SECRET_WRONG


def _as_keys(secrets: Sequence[str]) -> list[bytes]:
    return [secret.encode() for secret in secrets]


def _hmac(keys: Iterable[bytes], digest: str, encoding: str, signed: bytes, given: str) -> Unauthentic | None:
    if not given:
        return Unauthentic.SIGNATURE_MISSING
    decoded = _from_hex(given) if encoding == "hex" else _from_base64(given)
    if decoded is None or len(decoded) != hashlib.new(digest).digest_size:
        return Unauthentic.SIGNATURE_MALFORMED
    fits = [hmac.compare_digest(hmac.digest(key, signed, digest), decoded) for key in keys]
    return None if any(fits) else Unauthentic.SIGNATURE_WRONG


def _bytes(text: str) -> bytes:
    """Return the bytes of a header or of an address. Servers decode bytes that are no UTF-8 to surrogates."""
    try:
        return text.encode(errors="surrogateescape")
    except UnicodeEncodeError:  # half a surrogate pair, which stands for no byte, so nobody can have signed it
        return text.encode(errors="surrogatepass")


def _from_hex(text: str) -> bytes | None:
    try:
        return bytes.fromhex(text) if " " not in text else None
    except ValueError:
        return None


def _from_base64(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


def _time_problem(text: str, unit: int, now: int) -> Unauthentic | None:
    """Return what is wrong with the time of a signature; None if nothing is. `unit`: in ms."""
    text = text.strip()
    if not (0 < len(text) <= _LONGEST_TIME and text.isascii() and text.isdigit()):
        return Unauthentic.TIMESTAMP_MISSING
    at = int(text) * unit
    if at < now - TOLERANCE:
        return Unauthentic.TIMESTAMP_TOO_OLD
    return Unauthentic.TIMESTAMP_IN_FUTURE if at > now + TOLERANCE else None


def _standard_webhooks(secrets: Sequence[str], request: Request, now: int) -> Unauthentic | None:
    # Svix, from which the standard comes, still names the headers svix-…; the rest is the same.
    message_id, at, given = (
        request.headers.get(f"webhook-{name}") or request.headers.get(f"svix-{name}", "")
        for name in ("id", "timestamp", "signature")
    )
    if not (message_id and given):
        return Unauthentic.SIGNATURE_MISSING
    # Webhook.verify of the package standardwebhooks would compare with the machine's clock; here, the time is given.
    if problem := _time_problem(at, _SECONDS, now):
        return problem
    signed = b".".join([_bytes(message_id), at.strip().encode(), request.body])
    signatures = [text for version, _, text in (one.partition(",") for one in given.split(" ")) if version == "v1"]
    keys = [key for key in map(_standard_webhooks_key, secrets) if key is not None]
    found = [_hmac(keys, "sha256", "base64", signed, text) for text in signatures]
    if None in found:
        return None
    return next((problem for problem in reversed(found) if problem), Unauthentic.SIGNATURE_MALFORMED)


def _standard_webhooks_key(secret: str) -> bytes | None:
    text = secret.removeprefix(_WHSEC)
    return _from_base64(text + "=" * (-len(text) % 4)) or None


def _hubspot(secrets: Sequence[str], request: Request, now: int) -> Unauthentic | None:
    given, at = (request.headers.get(f"x-hubspot-{name}", "") for name in ("signature-v3", "request-timestamp"))
    if not given:
        return Unauthentic.SIGNATURE_MISSING
    if problem := _time_problem(at, _MILLISECONDS, now):
        return problem
    url = _HUBSPOT_ENCODED.sub(lambda found: _HUBSPOT_DECODED[found[0].upper()], request.url.partition("#")[0])
    head = _bytes(f"{request.method}{url}")
    return _hmac(_as_keys(secrets), "sha256", "base64", head + request.body + at.strip().encode(), given)


def _qualtrics(secrets: Sequence[str], request: Request) -> Unauthentic | None:
    try:
        fields = dict(parse_qsl(request.body.decode(), errors="strict", max_num_fields=_MOST_FIELDS))
    except ValueError:
        return Unauthentic.SIGNATURE_MISSING
    return _hmac(_as_keys(secrets), "sha512", "hex", fields.get("MSG", "").encode(), fields.get("HMAC", ""))
