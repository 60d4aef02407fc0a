"""A change to aiokafka: a client that is cancelled during its first request for metadata closes its connection.

A client asks one of the servers in its settings for the addresses of the brokers, over a connection that is used for
nothing else. If the task that starts the client is cancelled before the answer, aiokafka forgets that connection, which
stays open until the garbage collector finds it. A worker that stops cancels such tasks.
"""

import asyncio
import functools
from typing import Any

from aiokafka import client
from aiokafka.client import AIOKafkaClient

#: For each task in which a client is being started: the connections that this task has made since then. The client's
#: own tasks, which go on afterwards, are others.
_made: dict[asyncio.Task[Any] | None, list[Any]] = {}
_create_conn = client.create_conn
_bootstrap = AIOKafkaClient.bootstrap


@functools.wraps(_create_conn)
async def _noted(*args: Any, **options: Any) -> Any:
    """Connect as aiokafka does, and note the connection if a client is being started."""
    connection = await _create_conn(*args, **options)
    if (made := _made.get(asyncio.current_task())) is not None:
        made.append(connection)
    return connection


@functools.wraps(_bootstrap)
async def _closing_bootstrap(self: AIOKafkaClient) -> None:
    """Start a client as aiokafka does, and close the connections that were made if that does not succeed."""
    task = asyncio.current_task()
    made = _made[task] = []
    try:
        await _bootstrap(self)
    except BaseException:
        for connection in made:
            connection.close()
        raise
    finally:
        del _made[task]


def close_when_cancelled() -> None:
    """Change the start of all of aiokafka's clients in this process."""
    client.create_conn = _noted
    AIOKafkaClient.bootstrap = _closing_bootstrap
