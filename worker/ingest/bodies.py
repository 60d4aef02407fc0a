"""The bodies of deliveries: as they were sent, which signatures cover, and decompressed, which adapters read."""

import zlib

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web_protocol import RequestPayloadError

from worker.ingest.refusals import NotTaken, Refusal

#: What zlib has to expect of the bytes, by the names of encodings.
_WINDOW_BITS = {"gzip": zlib.MAX_WBITS | 16, "x-gzip": zlib.MAX_WBITS | 16, "deflate": zlib.MAX_WBITS}
_IDENTITY = {"", "identity"}


async def body_of(request: web.Request, largest: int) -> bytes:
    """Return the body of a request as it was sent. Raise NotTaken if it is too large, or cannot be read.

    The application has the same limit (`client_max_size`), which holds if the request does not say the size.
    """
    if (request.content_length or 0) > largest:
        raise NotTaken(Refusal.TOO_LARGE)
    try:
        return await request.read()
    except web.HTTPRequestEntityTooLarge:
        raise NotTaken(Refusal.TOO_LARGE) from None
    except (OSError, HttpProcessingError, RequestPayloadError):  # it breaks off, or its chunks are wrong
        raise NotTaken(Refusal.UNREADABLE) from None


def decompressed(body: bytes, encoding: str, largest: int) -> bytes:
    """Return a body without its encoding (the header Content-Encoding).

    Raise NotTaken if it would be larger than `largest` bytes, or if the encoding is not known or not kept.
    """
    name = encoding.strip().lower()
    if name in _IDENTITY:
        return body
    if name not in _WINDOW_BITS:
        raise NotTaken(Refusal.ENCODING_UNKNOWN)
    reader = zlib.decompressobj(_WINDOW_BITS[name])
    try:
        found = reader.decompress(body, largest + 1)
    except zlib.error:
        raise NotTaken(Refusal.UNREADABLE) from None
    if len(found) > largest:
        raise NotTaken(Refusal.TOO_LARGE)
    if not reader.eof or reader.unused_data:
        raise NotTaken(Refusal.UNREADABLE)
    return found
