import pytest

from worker.notify.content.links import call, openable, write_to


@pytest.mark.parametrize(
    ("phone", "expected"),
    [
        ("+33 6 12 34 56 78", "tel:+33612345678"),
        ("+44 (0)20 7946 0958", "tel:+442079460958"),
        ("06-12-34.56/78", "tel:0612345678"),
        ("(030) 123456", ""),
        ("030 (123) 456", "tel:030123456"),
        ("3631", "tel:3631"),
        ("12", ""),
        ("+33 6 12 34 56 78 ext. 4", ""),
        ("0612345678;phone-context=evil", ""),
        ("call me", ""),
        ("1" * 16, ""),
        ("", ""),
    ],
)
def test_only_what_is_plainly_a_number_is_dialled(phone: str, expected: str) -> None:
    assert expected == call(phone)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("marie@example.org", "mailto:marie@example.org"),
        ("a?b&c=d%e@example.org", "mailto:a%3Fb%26c%3Dd%25e@example.org"),
        ("marie@example.org?bcc=x@evil.example", ""),
        ("not given", ""),
        ("", ""),
    ],
)
def test_only_a_plain_address_is_written_to(address: str, expected: str) -> None:
    assert expected == write_to(address)


@pytest.mark.parametrize(
    ("href", "host", "shown"),
    [
        ("https://survey.example/r?a=1", "survey.example", "https://survey.example/r?a=1"),
        ("https://SURVEY.example/R", "survey.example", "https://SURVEY.example/R"),
        ("https://\u0430pple.example/x", "xn--pple-43d.example", "https://xn--pple-43d.example/x"),
        ("https://stra\u00dfe.example:8443/x?y#z", "xn--strae-oqa.example", "https://xn--strae-oqa.example:8443/x?y#z"),
        ("https://[::1]/x", "::1", "https://[::1]/x"),
    ],
)
def test_a_link_says_which_host_it_leads_to(href: str, host: str, shown: str) -> None:
    link = openable(href, "the answer")

    assert link is not None
    assert (link.host, link.href) == (host, shown)


@pytest.mark.parametrize(
    "href",
    ["https://a\u200b\u2028b.example", "https://\u2067evil.example", "https://\ufffd.example", "https://x:99999/"],
)
def test_a_host_that_nobody_can_look_up_is_no_link(href: str) -> None:
    assert openable(href, "") is None
