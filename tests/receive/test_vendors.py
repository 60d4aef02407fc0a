"""Signatures that the vendors' own libraries make are accepted, and nothing else is after a change of one byte.

The libraries of PyPI sign in each run, and those of npm in `make thorough`, where Node is installed. Delighted,
Qualtrics, SurveyMonkey, Typeform and Wootric publish no library that signs or verifies deliveries; test_signatures.py
computes their digests as their documents say.
"""

import json
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import standardwebhooks.webhooks
import svix.webhooks
from clients.toolchains import NotTried, node_program
from receive.deliveries import AT, SOURCES, deliveries

from worker.receive.signatures import Request, Scheme, Signing, Unauthentic, verify

WHSEC = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
SECRET = "kanarienvogel"
URL = "https://nps.example.com/receive/hubspot?form=a"
STANDARD, HUBSPOT = Signing(Scheme.STANDARD_WEBHOOKS), Signing(Scheme.HUBSPOT_V3)
BODIES = [delivery.request.body for tool in SOURCES for delivery in deliveries(tool)]


class Signed(NamedTuple):
    """A request with the signature of a library."""

    signing: Signing
    secret: str
    request: Request


def with_standard_headers(prefix: str, message_id: str, signature: str, body: bytes) -> Signed:
    headers = {
        f"{prefix}-id": message_id, f"{prefix}-timestamp": str(AT // 1_000), f"{prefix}-signature": signature,
    }  # fmt: skip
    return Signed(STANDARD, WHSEC, Request(body, headers))


def with_hubspot_headers(signature: str, body: bytes) -> Signed:
    headers = {"x-hubspot-signature-v3": signature, "x-hubspot-request-timestamp": str(AT)}
    return Signed(HUBSPOT, SECRET, Request(body, headers, url=URL))


def changed(request: Request) -> Iterator[Request]:
    """Yield the request with a change in each of the parts that are signed."""
    body, place = request.body, len(request.body) // 2
    for wrong in (body[:-1], body + b" ", body[:place] + bytes([body[place] ^ 1]) + body[place + 1 :]):
        yield request._replace(body=wrong)
    for name, value in request.headers.items():
        last = "1" if value[-1] == "0" else "0"
        # The last character of a digest in base64 is "=", and the one before it has bits that stand for nothing.
        other = (
            value[:-1] + last
            if "signature" not in name
            else value[:-3] + ("A" if value[-3] != "A" else "B") + value[-2:]
        )
        yield request._replace(headers={**request.headers, name: other})
    if request.url:
        yield request._replace(url=request.url + "b")
        yield request._replace(method="PUT")


def check(signed: Signed) -> None:
    signing, secret, request = signed
    assert verify(signing, [secret], request, AT) is None
    other = "whsec_b3RoZXI=" if signing is STANDARD else "other"
    assert verify(signing, [other], request, AT) is Unauthentic.SIGNATURE_WRONG
    for wrong in changed(request):
        assert verify(signing, [secret], wrong, AT) is Unauthentic.SIGNATURE_WRONG


@pytest.mark.parametrize(
    ("library", "prefix"), [(svix.webhooks.Webhook, "svix"), (standardwebhooks.webhooks.Webhook, "webhook")]
)
def test_what_a_library_of_pypi_signs_is_accepted_and_its_change_is_not(
    library: Callable[..., Any], prefix: str
) -> None:
    for number, body in enumerate(BODIES):
        message_id = f"msg_{number}"
        signature = library(WHSEC).sign(message_id, datetime.fromtimestamp(AT / 1_000, UTC), body.decode())
        check(with_standard_headers(prefix, message_id, signature, body))


@pytest.mark.thorough
def test_what_a_library_of_npm_signs_is_accepted_and_its_change_is_not() -> None:
    try:
        program = node_program(Path(__file__).parent / "vendors" / "sign.js")
    except NotTried as error:
        pytest.skip(str(error))
    given: list[dict[str, Any]] = [
        {"library": library, "secret": SECRET if library == "hubspot" else WHSEC, "id": f"msg_{number}", "at": AT,
         "url": URL, "body": body.decode()}
        for library in ("standardwebhooks", "svix", "hubspot")
        for number, body in enumerate(BODIES)
    ]  # fmt: skip
    ran = subprocess.run(program, input=json.dumps(given), capture_output=True, text=True, check=True)
    signatures = json.loads(ran.stdout)

    assert len(given) == len(signatures)
    for one, signature in zip(given, signatures, strict=True):
        body = one["body"].encode()
        if one["library"] == "hubspot":
            check(with_hubspot_headers(signature, body))
        else:
            prefix = "svix" if one["library"] == "svix" else "webhook"
            check(with_standard_headers(prefix, one["id"], signature, body))
