"""A change to aiokafka: a client that is cancelled during its first request for metadata closes its connection.

A client asks one of the servers in its settings for the addresses of the brokers, over a connection that is used for
nothing else. If the task that starts the client is cancelled before the answer, aiokafka forgets that connection, which
stays open until the garbage collector finds it. A worker that stops cancels such tasks.
"""

import functools
from contextvars import ContextVar
from typing import Any

from aiokafka import client
from aiokafka.client import AIOKafkaClient

#: The connections that the current task has made since its client began to start; None outside of that time.
_made: ContextVar[list[Any] | None] = ContextVar("_made", default=None)
_create_conn = client.create_conn
_bootstrap = AIOKafkaClient.bootstrap


@functools.wraps(_create_conn)
async def _noted(*args: Any, **options: Any) -> Any:
    """Connect as aiokafka does, and note the connection if a client is being started."""
    connection = await _create_conn(*args, **options)
    if (made := _made.get()) is not None:
        made.append(connection)
    return connection


@functools.wraps(_bootstrap)
async def _closing_bootstrap(self: AIOKafkaClient) -> None:
    """Start a client as aiokafka does, and close the connections that were made if that does not succeed."""
    made: list[Any] = []
    token = _made.set(made)
    try:
        await _bootstrap(self)
    except BaseException:
        for connection in made:
            connection.close()
        raise
    finally:
        _made.reset(token)


def close_when_cancelled() -> None:
    """Change the start of all of aiokafka's clients in this process."""
    client.create_conn = _noted
    AIOKafkaClient.bootstrap = _closing_bootstrap
