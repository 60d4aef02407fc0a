"""Headers as RFC 5322 and RFC 2047 want them, read back by the standard library."""

import re
from email import message_from_string, policy
from email.header import decode_header
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from worker.notify.channels.email import headers

#: What may stand in a header: no controls, no halves of surrogate pairs, no line ends.
CLEAN = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=300)
CONTROLS = ["\r", "\n", "\r\n", "\0", "\t", "\v", "\f", "\x1c", "\x1d", "\x1e", "\x7f", "\x85", "\u2028", "\u2029"]


def read(header: str) -> Any:
    [value] = message_from_string(header + "\r\n", policy=policy.default).values()
    assert value.defects == ()
    return value


def lines(header: str) -> list[str]:
    assert header.endswith("\r\n")
    return header[:-2].split("\r\n")


def test_a_plain_header_is_never_folded() -> None:
    value = f"<{'a' * 200}@example.org>"

    assert headers.plain("References", value) == f"References: {value}\r\n"


@pytest.mark.parametrize("value", [*CONTROLS, "é", "\xa0"])
def test_a_plain_header_is_ascii_without_controls(value: str) -> None:
    with pytest.raises(ValueError, match="References"):
        headers.plain("References", f"<a{value}Bcc: thief@example.org>")


@pytest.mark.parametrize("control", CONTROLS)
@pytest.mark.parametrize("letters", ["plain", "é"])
def test_no_text_and_no_name_adds_a_header(control: str, letters: str) -> None:
    hostile = f"{letters}{control}Bcc: thief@example.org"

    with pytest.raises(ValueError, match="Subject"):
        headers.text("Subject", hostile)
    with pytest.raises(ValueError, match="From"):
        headers.addresses("From", [(hostile, "nps@example.org")])
    with pytest.raises(ValueError, match="address"):
        headers.addresses("To", [("", f"nps@example.org{control}")])


def test_half_of_a_surrogate_pair_is_refused() -> None:
    with pytest.raises(ValueError, match="half of a surrogate pair"):
        headers.text("Subject", "half \ud800 pair")


@pytest.mark.parametrize("address", ["a@b.c, d@e.f", "a@b.c> AUTH=<x@y", "<a@b.c>", "zoë@example.org", "", "a b@c.d"])
def test_only_plain_addresses_stand_in_a_header(address: str) -> None:
    with pytest.raises(ValueError, match="address"):
        headers.addresses("To", [("Zoë", address)])


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("Score 2 at fr/lyon", "Subject: Score 2 at fr/lyon\r\n"),
        ("", "Subject: \r\n"),
        ("word " * 19 + "end", f"Subject:{' word' * 13}\r\n{' word' * 6} end\r\n"),
        ("ends: " * 20 + "x", f"Subject:{' ends:' * 11}\r\n{' ends:' * 9} x\r\n"),
        ("Client mécontent", "Subject: =?utf-8?q?Client_m=C3=A9content?=\r\n"),
        ("a_b? =é and much that is plain", "Subject: =?utf-8?q?a=5Fb=3F_=3D=C3=A9_and_much_that_is_plain?=\r\n"),
        ("満足", "Subject: =?utf-8?b?5rqA6Laz?=\r\n"),
        ("see =?x in plain words", "Subject: =?utf-8?q?see_=3D=3Fx_in_plain_words?=\r\n"),
        ("two  blanks", "Subject: =?utf-8?q?two__blanks?=\r\n"),
    ],
)
def test_text_is_plain_where_it_can_be(value: str, expected: str) -> None:
    assert headers.text("Subject", value) == expected


@given(CLEAN, st.sampled_from(["Subject", "X-NPS-Alert-Id"]))
@example("W" * 200, "Subject")
@example("é" * 200, "Subject")
@example("😀" * 200, "X-NPS-Alert-Id")
@example(" ", "Subject")
def test_any_text_is_read_as_it_was_written(value: str, name: str) -> None:
    header = headers.text(name, value)

    assert read(header) == value
    assert all(0 < len(line.strip()) and len(line) <= 76 for line in lines(header))
    check_encoded_words(header)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("", "nps@example.org"),
        ("Support Lyon", "Support Lyon <nps@example.org>"),
        ("Support, Lyon", '"Support, Lyon" <nps@example.org>'),
        ('O"Neil \\ Co', '"O\\"Neil \\\\ Co" <nps@example.org>'),
        ("J. Doe", '"J. Doe" <nps@example.org>'),
        ("Support, Orléans", "=?utf-8?q?Support=2C_Orl=C3=A9ans?= <nps@example.org>"),
    ],
)
def test_a_display_name_is_quoted_or_encoded_where_it_must_be(name: str, expected: str) -> None:
    header = headers.addresses("From", [(name, "nps@example.org")])

    assert header == f"From: {expected}\r\n"
    [address] = read(header).addresses
    assert (address.display_name, address.addr_spec) == (name, "nps@example.org")


@given(st.lists(st.tuples(CLEAN, st.sampled_from(["a@b.c", f"{'x' * 58}@example.org"])), min_size=1, max_size=5))
def test_any_mailboxes_are_read_as_they_were_written(mailboxes: list[tuple[str, str]]) -> None:
    header = headers.addresses("To", mailboxes)
    found = read(header).addresses

    assert [address.addr_spec for address in found] == [address for _, address in mailboxes]
    # Python's parser puts blanks between the encoded words of a name.
    assert [squeezed(address.display_name) for address in found] == [squeezed(name) for name, _ in mailboxes]
    assert all(len(line) <= 76 for line in lines(header))
    check_encoded_words(header)


def squeezed(text: str) -> str:
    return "".join(text.split())


def check_encoded_words(header: str) -> None:
    for word in re.findall(r"=\?utf-8\?[qb]\?[^ ?]*\?=", header):
        assert len(word) <= 75
        [(encoded, charset)] = decode_header(word)
        assert charset == "utf-8"
        assert encoded.decode(charset)
