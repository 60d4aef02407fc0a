import pytest

from worker.embedded import EmbeddedError
from worker.embedded.kafka import EmbeddedKafka
from worker.embedded.secured import Secured

PASSWORD = "canary-3303"


@pytest.mark.parametrize("user", [("nps", 'pass"word'), ("nps", ""), ("nps]", "x"), ("nps", "a,b"), ("nps", "x\n")])
def test_a_user_that_a_properties_file_would_misread_is_refused_without_being_quoted(user: tuple[str, str]) -> None:
    with pytest.raises(ValueError, match="letters, digits, dashes and underscores only") as caught:
        Secured(key="", chain="", users=dict([user]))
    assert not user[1] or user[1] not in str(caught.value)


def test_neither_key_nor_passwords_are_shown() -> None:
    assert PASSWORD not in repr(Secured(key=PASSWORD, chain="", users={"nps": PASSWORD}))


@pytest.mark.parametrize("protocol", ["SSL", "SASL_SSL", "SASL_PLAINTEXT", "PLAINTEXT"])
def test_a_listener_that_is_not_there_has_no_address(protocol: str) -> None:
    with pytest.raises(EmbeddedError, match=f"no listener for {protocol}"):
        EmbeddedKafka().secured_servers(protocol)
