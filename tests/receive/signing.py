"""Requests as the tools sign them, for bodies and times of one's own."""

import base64
import hmac
from urllib.parse import parse_qsl, urlencode

from worker.receive.settings import SourceSettings
from worker.receive.signatures import Request, Scheme

#: A form with more fields is not signed.
_MOST_FIELDS = 500


def signed(source: SourceSettings, request: Request, now: int, url: str = "") -> Request:
    """Return a request with a signature or a secret of its source. `now`: in ms; `url`: to which it is posted."""
    secret = source.secrets[0].get_secret_value()
    scheme, header = source.signing
    if scheme is Scheme.SECRET_HEADER:
        return _with(request, {header: secret})
    if scheme is Scheme.SECRET_PATH:
        return request._replace(path_secret=secret)
    if scheme is Scheme.STANDARD_WEBHOOKS:
        key = base64.b64decode(secret.removeprefix("whsec_"))
        digest = hmac.digest(key, f"msg_1.{now // 1_000}.".encode() + request.body, "sha256")
        signature = f"v1,{base64.b64encode(digest).decode()}"
        return _with(
            request,
            {"webhook-id": "msg_1", "webhook-timestamp": str(now // 1_000), "webhook-signature": signature},
        )
    if scheme is Scheme.HUBSPOT_V3:
        text = f"POST{url}".encode() + request.body + str(now).encode()
        signature = base64.b64encode(hmac.digest(secret.encode(), text, "sha256")).decode()
        return _with(request, {"x-hubspot-signature-v3": signature, "x-hubspot-request-timestamp": str(now)})
    if scheme is Scheme.QUALTRICS:
        return _with_field(request, secret)
    _, name, encoding = scheme.split("-")
    digest = hmac.digest(secret.encode(), request.body, name)
    return _with(request, {header: digest.hex() if encoding == "hex" else base64.b64encode(digest).decode()})


def _with(request: Request, headers: dict[str, str]) -> Request:
    return request._replace(headers={**request.headers, **headers})


def _with_field(request: Request, secret: str) -> Request:
    """Return a form with the signature of Qualtrics inside it, or as it is if it has very many fields."""
    text = request.body.decode(errors="replace")
    if text.count("&") > _MOST_FIELDS:
        return request
    fields = dict(parse_qsl(text, keep_blank_values=True))
    digest = hmac.digest(secret.encode(), fields.get("MSG", "").encode(), "sha512")
    return request._replace(body=urlencode({**fields, "HMAC": digest.hex()}).encode())
