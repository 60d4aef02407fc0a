"""Where metrics and probes are served."""

import pytest
from pydantic import ValidationError

from worker.metrics.settings import Bind, MetricsSettings


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", None),
        ("127.0.0.1:9464", Bind("127.0.0.1", 9464)),
        ("0.0.0.0:0", Bind("0.0.0.0", 0)),
        ("localhost:65535", Bind("localhost", 65535)),
        ("[::]:9464", Bind("::", 9464)),
        ("[::1]:9464", Bind("::1", 9464)),
    ],
)
def test_an_address_has_a_host_and_a_port(text: str, expected: Bind | None) -> None:
    assert MetricsSettings(bind=text).address == expected


@pytest.mark.parametrize(
    "text",
    ["9464", ":9464", "localhost", "localhost:", "localhost:x", "a:65536", "a:123456", "a:-1", "::1:9464", "a\n:1"],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValidationError, match="must be host:port"):
        MetricsSettings(bind=text)
