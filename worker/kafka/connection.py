"""How a client reaches Kafka: the settings as aiokafka wants them."""

import ssl
from functools import partial
from typing import Any

from worker.errors import SettingsError
from worker.kafka.bootstrap import close_when_cancelled
from worker.kafka.fetches import end_when_cancelled
from worker.kafka.metadata import create_no_topics
from worker.settings import KafkaSettings
from worker.tls import authorities, renewed


def ssl_context(kafka: KafkaSettings) -> ssl.SSLContext | None:
    """Return the TLS context, which checks certificates and host names; None if the protocol is not encrypted.

    Raise SettingsError if a file does not hold what it should. If a file changes later, new connections use what it
    holds then.
    """
    if "SSL" not in kafka.security_protocol.split("_"):
        return None
    return renewed(partial(_load, kafka), [kafka.ssl_cafile, kafka.ssl_certfile, kafka.ssl_keyfile])


def _load(kafka: KafkaSettings) -> ssl.SSLContext:
    context = authorities(kafka.ssl_cafile, "kafka.ssl_cafile")
    if kafka.ssl_certfile:
        try:
            # Without a password OpenSSL would ask for one at the terminal.
            context.load_cert_chain(kafka.ssl_certfile, kafka.ssl_keyfile, password="")
        except OSError:
            raise SettingsError(
                ["kafka.ssl_certfile: the file holds no certificate that fits the unencrypted key in kafka.ssl_keyfile"]
            ) from None
    return context


def change_aiokafka() -> None:
    """Make the changes to aiokafka without which its clients lose connections or end wrongly. Repeating it is safe."""
    create_no_topics()
    close_when_cancelled()
    end_when_cancelled()


def client_options(kafka: KafkaSettings) -> dict[str, Any]:
    """Return the options of a plain aiokafka client. Raise SettingsError like `ssl_context`."""
    change_aiokafka()
    return {
        "bootstrap_servers": servers(kafka),
        "client_id": kafka.group,
        **connection_options(kafka),
    }


def connection_options(kafka: KafkaSettings) -> dict[str, Any]:
    """Return the options of a single connection of aiokafka. Raise SettingsError like `ssl_context`."""
    options: dict[str, Any] = {"security_protocol": kafka.security_protocol, "ssl_context": ssl_context(kafka)}
    if kafka.security_protocol.startswith("SASL"):
        assert kafka.sasl_password is not None
        options |= {
            "sasl_mechanism": kafka.sasl_mechanism,
            "sasl_plain_username": kafka.sasl_username,
            "sasl_plain_password": kafka.sasl_password.get_secret_value(),
        }
    return options


def servers(kafka: KafkaSettings) -> list[str]:
    """Return the servers that a client contacts first, each as host:port."""
    return [server.strip() for server in kafka.bootstrap_servers.split(",")]
