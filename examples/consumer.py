"""Reads the alerts, and prints what is to be done: python examples/consumer.py [HOST:PORT [TOPIC [GROUP]]].

It reads on until Ctrl-C. Started again under the same group, it goes on where it had stopped.
"""

import asyncio
import contextlib
import json
import sys

from aiokafka import AIOKafkaConsumer, ConsumerRecord


def task(record: ConsumerRecord[bytes, bytes]) -> str:
    """Return what is to be done for a record of `nps.alerts`."""
    if record.value is None:  # the customer was erased, and so must be what is kept here
        return f"erase what is kept of customer {(record.key or b'').decode()}"
    alert = json.loads(record.value)
    if alert["kind"] == "case":  # a person has done something about an alert, whose alert_id this is
        return f"{alert['action']}: case of customer {alert['customer_id']}, by {alert['actor'] or 'a new answer'}"
    if alert["kind"] == "detractor":
        whom = alert.get("customer_id", "somebody")
        return f"{alert['action']}: {alert['severity']} alert about customer {whom}: {alert['summary']}"
    return f"{alert['action']}: {alert['severity']} incident: {alert['summary']}"


async def follow(servers: str = "localhost:9092", topic: str = "nps.alerts", group: str = "call-back-list") -> None:
    """Handle each record once, and commit its offset after it was handled."""
    consumer = AIOKafkaConsumer(
        topic,
        bootstrap_servers=servers,
        group_id=group,
        auto_offset_reset="earliest",  # the first start begins with the oldest alert
        enable_auto_commit=False,
    )
    # A crash may repeat an event, here or in the worker: a repeated one has the same ce_id. A real receiver stores the
    # ids that it has handled together with what it made of them, so that they survive its own restart.
    handled: set[bytes] = set()
    async with consumer:
        async for record in consumer:
            event_id = dict(record.headers).get("ce_id")
            if event_id is None or event_id not in handled:
                print(task(record), flush=True)
            if event_id is not None:
                handled.add(event_id)
            await consumer.commit()


with contextlib.suppress(KeyboardInterrupt):
    asyncio.run(follow(*sys.argv[1:]))
