"""The preflight: whether Kafka lets the worker in, and if it does not, for which reason.

aiokafka's clients report an unreachable server, a refused login and an untrusted certificate in the same words. So the
worker tries one connection before it starts them. The messages name settings and never quote a secret.
"""

import asyncio
import contextlib
import ssl
from collections.abc import Sequence

from aiokafka.conn import AIOKafkaConnection, collect_hosts, create_conn
from aiokafka.errors import (
    IllegalSaslStateError,
    KafkaConnectionError,
    KafkaError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)
from aiokafka.protocol.metadata import MetadataRequest

from worker.errors import Refused, Unreachable
from worker.kafka.connection import connection_options, servers
from worker.settings import KafkaSettings

_ANSWER_SECONDS = 10.0

_REFUSALS = {
    SaslAuthenticationFailed: "the login is refused: check kafka.sasl_username, sasl_password and sasl_mechanism",
    UnsupportedSaslMechanismError: "it does not offer this login mechanism: check kafka.sasl_mechanism",
    IllegalSaslStateError: "it does not accept logins: check kafka.security_protocol",
}
#: OpenSSL's X509_V_ERR_HOSTNAME_MISMATCH and X509_V_ERR_IP_ADDRESS_MISMATCH.
_MISNAMED = {62, 64}


async def preflight(kafka: KafkaSettings) -> None:
    """Return once a server has let the worker in, has answered, and has named a broker that can be reached.

    The servers are tried one after the other. Raise Refused if no server has let the worker in, and at least one
    failure is permanent; Unreachable if all failures may be transient; SettingsError if the file of a certificate
    cannot be used.
    """
    options = connection_options(kafka) | {
        "client_id": kafka.group,
        "request_timeout_ms": round(_ANSWER_SECONDS * 1000),
    }
    refusals, failures = [], []
    for server in servers(kafka):
        host, port, _ = collect_hosts(server)[0]
        try:
            brokers = await _ask(await create_conn(host, port, **options))
        except (KafkaError, OSError) as error:
            if (refusal := _refusal(error)) is not None:
                refusals.append(f"at {server}: {refusal}")
            else:
                failures.append(f"at {server}: {_failure(error)}")
        else:
            await _reach_one(server, brokers)
            return
    if refusals:
        raise Refused(f"Kafka {', '.join(refusals)}")
    raise Unreachable(f"Kafka {', '.join(failures)} (kafka.bootstrap_servers)")


async def _ask(connection: AIOKafkaConnection) -> list[tuple[str, int]]:
    """Ask for the brokers. A server that wants a login closes a connection without one only when it gets a request."""
    try:
        answer = await connection.send(MetadataRequest([]))
        return [(host, port) for _node, host, port, *_ in answer.brokers]
    finally:
        connection.close()


async def _reach_one(server: str, brokers: Sequence[tuple[str, int]]) -> None:
    """Return once one of the brokers that a server has named accepts a connection. Raise Unreachable if none does.

    Clients use the addresses that Kafka names, not those of the settings; aiokafka does not say which they are.
    """
    connecting = [asyncio.create_task(_connects(host, port)) for host, port in brokers]
    try:
        for connects in asyncio.as_completed(connecting):
            if await connects:
                return
    finally:
        for task in connecting:
            task.cancel()
    if brokers:
        named = ", ".join(f"{host}:{port}" for host, port in brokers)
        raise Unreachable(
            f"Kafka at {server} answers, but the brokers that it names cannot be reached from here: {named} (the "
            "setting advertised.listeners of Kafka)"
        )


async def _connects(host: str, port: int) -> bool:
    try:
        async with asyncio.timeout(_ANSWER_SECONDS):
            _, writer = await asyncio.open_connection(host, port)
    except OSError:  # TimeoutError is one
        return False
    writer.close()
    with contextlib.suppress(OSError):  # a broker that has ended in the meantime
        await writer.wait_closed()
    return True


def _refusal(error: Exception) -> str | None:
    """Return what somebody has to change; None if the error may be transient."""
    if isinstance(error, ssl.SSLCertVerificationError):
        key = "bootstrap_servers" if error.verify_code in _MISNAMED else "ssl_cafile"
        return f"its certificate is not trusted ({error.verify_message.rstrip('.')}): check kafka.{key}"
    return next((text for kind, text in _REFUSALS.items() if isinstance(error, kind)), None)


def _failure(error: Exception) -> str:
    if isinstance(error, (KafkaConnectionError, ConnectionResetError, ssl.SSLError)):
        return "it closes the connection; perhaps it needs another kafka.security_protocol or a kafka.ssl_certfile"
    return type(error).__name__ if isinstance(error, KafkaError) else "not reachable"
