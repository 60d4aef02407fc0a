"""Which encoding a file of text has: UTF-8, UTF-16 with a byte order mark, or, if it is neither, CP-1252. Pure."""

import codecs
from collections.abc import Callable, Iterable

UTF_8, UTF_16, CP_1252 = "utf-8-sig", "utf-16", "cp1252"
_MARKS_OF_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
#: How an Excel workbook begins, which is a zip file.
_ZIP = b"PK\x03\x04"


def encoding_of(chunks: Callable[[], Iterable[bytes]]) -> str:
    """Return the encoding of a file in the name that Python has for it. A byte order mark is no part of the text.

    `chunks`: returns the whole file from its beginning, in chunks of any size. Raise ValueError with the reason if it
    is no file of text, or has none of these encodings.
    """
    first = next(iter(chunks()), b"")
    if first.startswith(_ZIP):
        raise ValueError("is an Excel workbook or a zip file: save it as CSV first")
    if first.startswith(_MARKS_OF_UTF_16):
        if not is_in(UTF_16, chunks()):
            raise ValueError("begins like UTF-16, and is not UTF-16")
        return UTF_16
    if any(b"\0" in chunk for chunk in chunks()):
        raise ValueError("has bytes that no text has: it is no text, or it is UTF-16 without a byte order mark")
    found = next((name for name in (UTF_8, CP_1252) if is_in(name, chunks())), None)
    if found is None:
        raise ValueError("is neither UTF-8 nor CP-1252: name its encoding")
    return found


def is_in(name: str, chunks: Iterable[bytes]) -> bool:
    """Say whether all of a file can be decoded. `name`: of the encoding; `chunks`: of the file."""
    decoder = codecs.getincrementaldecoder(name)()
    try:
        for chunk in chunks:
            decoder.decode(chunk)
        decoder.decode(b"", final=True)
    except UnicodeError:
        return False
    return True
