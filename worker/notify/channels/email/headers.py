"""The headers of a mail, folded and encoded (RFC 5322, RFC 2047). Pure.

The standard library's `EmailMessage` takes some milliseconds for the headers of one mail. At some folds it cuts encoded
words, and it encodes the Message-IDs of long domains in References, where no mail program decodes them.
"""

import re
from binascii import b2a_base64
from collections.abc import Iterable, Iterator, Sequence
from typing import AnyStr

from worker.address import check_address

#: The longest line that may hold an encoded word (RFC 2047, 2). RFC 5322 recommends at most 78 for the others.
_LINE = 76
#: The longest encoded word (RFC 2047, 2), and what it has around its text.
_WORD, _AROUND = 75, len("=?utf-8?q?" + "?=")
#: None of these may stand in a header, nor in an encoded word: a program that decodes it could take one for a line end.
#: Halves of surrogate pairs have no bytes.
_FORBIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
#: A name of such words needs no quotation marks (RFC 5322, 3.2.3).
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_ATOMS = re.compile(rf"{_ATOM}(?: {_ATOM})*")
#: Each byte, and each character of ASCII, in the encoding Q, so that it may stand in a name as well (RFC 2047, 5).
_Q_BYTES = [f"={byte:02X}" for byte in range(256)]
_Q_BARE = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!*+-/"
_Q_ASCII = {chr(byte): _Q_BYTES[byte] for byte in range(128)} | {" ": "_"} | {c: c for c in _Q_BARE}


def plain(name: str, value: str) -> str:
    """Return a header on one line, as it is. Raise ValueError if its value is not printable ASCII."""
    if not (value.isascii() and value.isprintable()):
        raise ValueError(f"{name} is not printable ASCII")
    return f"{name}: {value}\r\n"


def text(name: str, value: str) -> str:
    """Return a header of text for people, such as Subject, in lines of at most 76 characters.

    Raise ValueError if the value has a control character or half of a surrogate pair.
    """
    _check(name, value)
    words = value.split(" ")
    # Only encoded words keep blanks that are not single ones, and words that are longer than a line.
    if value.isascii() and "=?" not in value and all(words):
        folded = _folded(name, words)
        if all(len(line) <= _LINE for line in folded.split("\r\n")):
            return folded
    return _folded(name, _encoded(value, len(name) + 2) if value else words)


def addresses(name: str, mailboxes: Iterable[tuple[str, str]]) -> str:
    """Return a header of mailboxes, each with its display name, which may be empty, and its address.

    A line ends before a display name, within an encoded one, or before an address. Raise ValueError if an address is
    not a plain one, or if a display name has a control character or half of a surrogate pair.
    """
    words: list[str] = []
    used = len(name) + 2
    for display_name, address in mailboxes:
        _check(name, display_name)
        if words:
            words[-1] += ","
            used = 1
        if display_name:
            words += [*_phrase(display_name, used), f"<{check_address(address)}>"]
        else:
            words.append(check_address(address))
    return _folded(name, words)


def _check(name: str, value: str) -> None:
    if _FORBIDDEN.search(value):
        raise ValueError(f"{name} has a control character, or half of a surrogate pair")


def _phrase(display_name: str, used: int) -> list[str]:
    """Return a display name as words of a header: in one piece, in quotation marks if need be, or as encoded words."""
    if display_name.isascii() and "=?" not in display_name:
        quoted = '"' + display_name.replace("\\", "\\\\").replace('"', '\\"') + '"'
        phrase = display_name if _ATOMS.fullmatch(display_name) else quoted
        if used + len(phrase) <= _LINE:
            return [phrase]
    return _encoded(display_name, used)


def _folded(name: str, words: Iterable[str]) -> str:
    """Return the header with as many words on each line as fit; a word that is longer has a line of its own."""
    lines, line = [], f"{name}:"
    for position, word in enumerate(words):
        if position > 0 and len(line) + 1 + len(word) > _LINE:
            lines.append(line)
            line = ""
        line += f" {word}"
    return "\r\n".join([*lines, line, ""])


def _encoded(value: str, used: int) -> list[str]:
    """Return the value as encoded words, by the encoding that is shorter; the first follows `used` other characters."""
    first, room = _LINE - used - _AROUND, _WORD - _AROUND
    raw = [character.encode() for character in value]
    in_q = [
        _Q_ASCII.get(c) or "".join([_Q_BYTES[byte] for byte in encoded]) for c, encoded in zip(value, raw, strict=True)
    ]
    if sum(map(len, in_q)) <= (sum(map(len, raw)) + 2) // 3 * 4:
        return [f"=?utf-8?q?{''.join(some)}?=" for some in _divided(in_q, first, room)]
    runs = _divided(raw, first // 4 * 3, room // 4 * 3)  # base64 writes three bytes as four characters
    return [f"=?utf-8?b?{b2a_base64(b''.join(some), newline=False).decode()}?=" for some in runs]


def _divided(characters: Sequence[AnyStr], first: int, room: int) -> Iterator[Sequence[AnyStr]]:
    """Divide characters into runs that have a length of at most `room` each, the first of at most `first`."""
    begin, length = 0, 0
    for end, character in enumerate(characters):
        length += len(character)
        if length > first:
            yield characters[begin:end]
            begin, length, first = end, len(character), room
    yield characters[begin:]
