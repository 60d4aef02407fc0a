"""Reading the form of a POST, whose size, time and number of fields are bounded."""

import asyncio
from urllib.parse import parse_qsl

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web_protocol import RequestPayloadError

_FORM_TYPE = "application/x-www-form-urlencoded"


class Unacceptable(Exception):
    """A request without a form. `status`: the HTTP status of the answer."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


async def fields_of(request: web.Request, largest: int, seconds: float, most_fields: int) -> dict[str, str]:
    """Return the fields of a request's form; if a field comes twice, the last one.

    `largest`: in bytes; `seconds`: how long the client may take. Raise Unacceptable if there is no form, if it is too
    large or has more fields, or if the client is too slow.
    """
    if request.content_type != _FORM_TYPE:
        raise Unacceptable(415)
    if (request.content_length or 0) > largest:
        raise Unacceptable(413)
    body = bytearray()
    try:
        async with asyncio.timeout(seconds):
            async for chunk in request.content.iter_any():
                body += chunk
                if len(body) > largest:
                    raise Unacceptable(413)
    except TimeoutError:
        raise Unacceptable(408) from None
    except (OSError, HttpProcessingError, RequestPayloadError):  # a body that breaks off or is wrongly encoded
        raise Unacceptable(400) from None
    try:
        text = body.decode("ascii", "replace")
        return dict(parse_qsl(text, keep_blank_values=True, errors="replace", max_num_fields=most_fields))
    except ValueError:
        raise Unacceptable(400) from None
