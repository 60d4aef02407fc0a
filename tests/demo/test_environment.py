"""Where the demo serves the metrics of its worker."""

import socket

from worker.demo.environment import _measured
from worker.embedded.kafka import free_port
from worker.settings import Settings


def test_metrics_are_where_prometheus_looks_for_them_unless_the_port_is_taken() -> None:
    settings = Settings.model_construct()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        while_taken = _measured(settings, taken.getsockname()[1]).metrics.bind
    port = free_port()
    usual = _measured(settings, port).metrics.bind

    assert while_taken == "127.0.0.1:0"
    assert usual == f"127.0.0.1:{port}"
