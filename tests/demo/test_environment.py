"""Where the demo serves the metrics of its worker."""

import socket

import pytest

from worker.demo import environment


def test_metrics_are_where_prometheus_looks_for_them_unless_the_port_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setattr(environment, "METRICS_PORT", port)
        while_taken = environment._metrics().bind
    monkeypatch.setattr(environment, "METRICS_PORT", environment._free_port())
    usual = environment._metrics().bind

    assert while_taken == "127.0.0.1:0"
    assert usual == f"127.0.0.1:{environment.METRICS_PORT}"
