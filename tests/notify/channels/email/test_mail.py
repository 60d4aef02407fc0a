"""A mail's parts, read back by the standard library."""

from email.message import EmailMessage, Message

import pytest
from hypothesis import given
from hypothesis import strategies as st
from notify.channels.email.mails import received

from worker.notify.channels.email.mail import alternatives, text_part

#: Lines of any characters but controls; without blanks at their ends, which make a full line one or two longer.
LETTER = st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"])
LINE = st.text(LETTER, max_size=300).map(lambda line: line.rstrip(" "))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Réponse", b"R=C3=A9ponse\r\n"),
        ("a = b", b"a =3D b\r\n"),
        (".", b"=2E\r\n"),
        ("-- \nend", b"--=20\r\nend\r\n"),
        ("a\rb\r\nc\n\nd\n", b"a\r\nb\r\nc\r\n\r\nd\r\n"),
        ("", b""),
    ],
)
def test_a_text_is_quoted_printable(text: str, expected: bytes) -> None:
    head = b'Content-Type: text/plain; charset="utf-8"\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n'

    assert text_part(text) == head + expected


@given(st.lists(LINE, min_size=1))
def test_any_text_is_read_as_it_was_written(text: list[str]) -> None:
    part = text_part("\n".join(text), "html")
    message = received(part)

    assert message.get_content_type() == "text/html"
    assert content(message).split("\n") == [*"\n".join(text).splitlines(), ""]
    assert part.isascii()
    assert not part.replace(b"\r\n", b"").count(b"\r")
    assert not part.replace(b"\r\n", b"").count(b"\n")
    assert max(map(len, part.split(b"\r\n"))) <= 76


@pytest.mark.unmeasured
@given(st.lists(LINE), st.lists(LINE))
def test_both_forms_of_a_text_arrive(plain: list[str], html: list[str]) -> None:
    texts = ["\n".join([*lines, "--=_0--", ".", "end"]) for lines in (plain, html)]
    message = received(alternatives([text_part(texts[0]), text_part(texts[1], "html")], "=_0"))

    assert message.get_content_type() == "multipart/alternative"
    assert [content(part) for part in message.iter_parts()] == [f"{text}\n" for text in texts]
    assert [part.get_content_subtype() for part in message.iter_parts()] == ["plain", "html"]
    assert [each.defects for each in message.walk()] == [[], [], []]


def content(message: Message) -> str:
    assert isinstance(message, EmailMessage)
    text = message.get_content()
    assert isinstance(text, str)
    return text.replace("\r\n", "\n")
