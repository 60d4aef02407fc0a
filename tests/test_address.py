import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.address import check_address, is_address, without_repeats


@pytest.mark.parametrize(
    "address",
    [
        "support@localhost",
        "first.last+tag@sub.example.org",
        "o'neil@example.org",
        "!#$%&'*+/=?^_`{|}~-@example.org",
        "a@xn--bcher-kva.example",
    ],
)
def test_a_plain_address_is_returned(address: str) -> None:
    assert address == check_address(address)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "a@",
        "@example.org",
        "a@b@c",
        "a b@example.org",
        "a@exa mple.org",
        ".a@example.org",
        "a.@example.org",
        "a..b@example.org",
        "a@-example.org",
        "a@example-.org",
        "a@example..org",
        "a@example.org.",
        "a@example.org\n",
        "a@example.org\r\nBcc: x@example.org",
        "a@b.c> AUTH=<x@y",
        "<a@example.org>",
        "A <a@example.org>",
        '"a b"@example.org',
        "a@[127.0.0.1]",
        "é@example.org",
        "a@exämple.org",
        "a@example.org,b@example.org",
        "a\x00@example.org",
        "a@" + "b" * 64 + ".org",
        "a" * 250 + "@b.org",
    ],
)
def test_anything_else_is_refused_without_being_repeated(text: str) -> None:
    with pytest.raises(ValueError, match=r"^is not a plain mail address$"):
        check_address(text)


def test_none_is_no_address() -> None:
    assert not is_address(None)


@given(st.text())
def test_what_is_accepted_has_nothing_that_smtp_could_misread(text: str) -> None:
    if is_address(text):
        assert text.isascii()
        assert text.isprintable()
        assert not set(text) & set(' <>,;:"()[]\\')


def test_a_mailbox_is_named_once_whatever_its_case() -> None:
    assert ["Care@Example.com", "b@x.org"] == without_repeats(["Care@Example.com", "b@x.org", "care@example.com"])
