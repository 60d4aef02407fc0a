"""The receivers of a route of e-mail are mail addresses."""

import pytest
from pydantic import ValidationError

from worker.notify.channels.email.route import EmailRoute


@pytest.mark.parametrize("to", [[], ["not an address"], ["a@example.org> AUTH=<x@y"]])
def test_a_route_needs_good_receivers(to: list[str]) -> None:
    with pytest.raises(ValidationError):
        EmailRoute(name="r", to=to)


def test_a_receiver_named_twice_in_another_case_is_one_receiver() -> None:
    assert EmailRoute(name="r", to=["Care@Example.com", "care@example.com", "b@x.org"]).to == [
        "Care@Example.com",
        "b@x.org",
    ]
