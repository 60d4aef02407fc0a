"""A mail as the mail server gets it: its envelope, and its bytes, which are all ASCII. Pure.

Every server accepts ASCII, so the bytes do not depend on what the server offers.
"""

from binascii import b2a_qp
from collections.abc import Sequence
from typing import Literal, NamedTuple

_PART = 'Content-Type: text/{kind}; charset="utf-8"\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n'


class Mail(NamedTuple):
    """A mail. The lines of `data` end in CRLF; dots at their beginning are not doubled yet (RFC 5321, 4.5.2)."""

    sender: str
    receivers: Sequence[str]
    data: bytes


def text_part(text: str, kind: Literal["plain", "html"] = "plain") -> bytes:
    """Return a text with the headers that belong to it; each of its lines ends in CRLF, the last one too."""
    lines = "\r\n".join([*text.splitlines(), ""])
    return _PART.format(kind=kind).encode() + b2a_qp(lines.encode())


def alternatives(parts: Sequence[bytes], boundary: str) -> bytes:
    """Return several forms of one text with the header that belongs to them, the best form last (RFC 2046, 5.1.4).

    No line of a part may begin with the boundary. "=_" never occurs in quoted-printable text (RFC 2045, 6.7).
    """
    line = f"--{boundary}".encode()
    head = f'Content-Type: multipart/alternative;\r\n boundary="{boundary}"\r\n\r\n'.encode()
    return head + b"".join(b"%b\r\n%b\r\n" % (line, part) for part in parts) + line + b"--\r\n"
