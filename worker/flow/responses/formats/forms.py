"""Bodies that are forms, in both encodings that HTML has: their fields become nested values.

Both functions raise NoResponse if there is a reason to refuse the form. No reason has a value of it.
"""

import re
from collections.abc import Iterable
from email.message import Message
from urllib.parse import parse_qsl

from schemas.dead_letter import Reason
from worker.flow.responses.formats.outcome import refused

FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"

#: The largest number of fields of a form, and the deepest nesting of their names.
_MOST_FIELDS, _DEEPEST = 1_000, 8
#: The name of a form's field, such as response[end_user_properties][agency] or tags[].
_FIELD = re.compile(r"(?P<name>[^\[\]]+)(?P<inner>(?:\[[^\[\]]*\])*)")
_INNER = re.compile(r"\[([^\[\]]*)\]")
#: How a form of the first encoding begins: a name and an equals sign.
_BEGINNING = re.compile(rb"[\w.%+\[\]-]{1,200}=")
_DISPOSITION = "content-disposition"
#: The largest number of bytes of the headers of a part.
_LONGEST_HEAD = 2_000
_NO_UTF8 = "the form is not UTF-8"


def looks_like_form(body: bytes) -> bool:
    """Say whether a body looks like a form in either encoding, whatever its content type is."""
    return _BEGINNING.match(body) is not None or (body.startswith(b"--") and b"form-data" in body)


def read_form(body: bytes) -> dict[str, object]:
    """Return the fields of a form. Brackets nest them as in PHP and Ruby: a[b]=1 is {"a": {"b": "1"}}."""
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, errors="strict", max_num_fields=_MOST_FIELDS)
    except UnicodeDecodeError:
        raise refused(Reason.INVALID_UTF8, _NO_UTF8) from None
    except ValueError:
        raise _too_many_fields() from None
    return _nested(pairs)


def read_multipart(body: bytes, content_type: str) -> dict[str, object]:
    """Return the fields of a form whose fields are parts of the body (RFC 7578). Files in it are left out.

    `content_type`: of the body, with the boundary between the parts.
    """
    # The parser of the standard library reads messages, whose parts have parts: a body of 900 kB can make it take
    # seconds, or exceed the depth of recursion. So the parts are told apart here, and it only reads single headers.
    boundary = _header("content-type", " ".join(content_type.split())).get_boundary()
    _, *parts = (b"\r\n" + body).split(b"\r\n--" + (boundary or "").encode(errors="replace"))
    if not boundary or not parts or not parts[-1].startswith(b"--"):
        raise _no_parts()
    if len(parts) - 1 > _MOST_FIELDS:
        raise _too_many_fields()
    return _nested(field for part in parts[:-1] if (field := _field(part)) is not None)


def _field(part: bytes) -> tuple[str, str] | None:
    """Return the name and the value of a part; None if it is a file, or has no name."""
    head, blank, value = part.partition(b"\r\n\r\n")
    if not blank or len(head) > _LONGEST_HEAD:
        raise _no_parts()
    try:
        lines = [line.partition(":") for line in head.decode().split("\r\n")]
        found = [text for name, _, text in lines if name.strip().lower() == _DISPOSITION]
        disposition = _header(_DISPOSITION, found[0] if found else "")
        name = disposition.get_param("name", header=_DISPOSITION)
        if not isinstance(name, str) or disposition.get_filename() is not None:
            return None
        return name, value.decode()
    except UnicodeDecodeError:
        raise refused(Reason.INVALID_UTF8, _NO_UTF8) from None


def _header(name: str, value: str) -> Message:
    """Return a message that has only this header, which knows how its parameters are written."""
    message = Message()
    message[name] = value
    return message


def _no_parts() -> Exception:
    return refused(Reason.WRONG_TYPE, "the body is not the form in parts that its content type says")


def _too_many_fields() -> Exception:
    return refused(Reason.TOO_LARGE, f"the form has more than {_MOST_FIELDS} fields")


def _nested(pairs: Iterable[tuple[str, str]]) -> dict[str, object]:
    found: dict[str, object] = {}
    for name, value in pairs:
        match = _FIELD.fullmatch(name)
        inner = _INNER.findall(match["inner"]) if match else []
        _put(found, [match["name"], *inner] if match and len(inner) < _DEEPEST else [name], value)
    return found


def _put(found: dict[str, object], path: list[str], value: str) -> None:
    """Put the value of a form's field at its place. A field whose place has a value of another kind is left out."""
    *outer, last = path
    if last == "" and outer:  # a[]=1&a[]=2
        *outer, last = outer
        inside = _inside(found, outer)
        values = None if inside is None else inside.setdefault(last, [])
        if isinstance(values, list):
            values.append(value)
        return
    inside = _inside(found, outer)
    if inside is not None and not isinstance(inside.get(last), dict | list):
        inside[last] = value


def _inside(found: dict[str, object], outer: list[str]) -> dict[str, object] | None:
    for name in outer:
        inner = found.setdefault(name, {})
        if not isinstance(inner, dict):
            return None
        found = inner
    return found
