"""What a mail costs if a bare aiokafka loop and aiosmtplib do the least that is durable, one mail after the other.

For each alert: a line of the delivery log, then a row of the outbox, each acknowledged; the mail; and then a line and a
row with the result. Nothing is decided, composed, retried or encoded: the content of a mail is always the same.
"""

import os

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord
from aiosmtplib import SMTP

from bench.contenders.task import Meter, Task, given
from worker.app import on_event_loop

#: The worker writes as many bytes.
_LOG_LINE, _PENDING_ROW, _SETTLED_ROW = b"l" * 300, b"p" * 1_100, b"s" * 150
#: A mail has 9,000 bytes.
_MAIL_LINE, _MAIL_LINES = b"m" * 70 + b"\r\n", 125


async def main(task: Task) -> None:
    """Run until a mail about every alert is sent."""
    consumer = AIOKafkaConsumer(
        task.topic, bootstrap_servers=task.kafka, group_id=task.name, auto_offset_reset="earliest"
    )
    producer = AIOKafkaProducer(bootstrap_servers=task.kafka, enable_idempotence=True)
    smtp = SMTP(hostname="127.0.0.1", port=int(os.environ["SMTP_PORT"]), start_tls=False)
    meter, content, seen = Meter(), _MAIL_LINE * _MAIL_LINES, 0

    async def write(record: ConsumerRecord, row: bytes) -> None:
        for topic, value in (("deliveries", _LOG_LINE), ("outbox", row)):
            await producer.send_and_wait(f"{task.name}.{topic}", value, record.key, record.partition)

    async with consumer, producer, smtp:
        async for record in consumer:
            seen += 1
            if seen > task.before:
                meter.begin()
            await write(record, _PENDING_ROW)
            await smtp.sendmail("nps@example.com", ["support@example.com"], content)
            await write(record, _SETTLED_ROW)
            if seen == task.before + task.events:
                break
    meter.end(task.events)


if __name__ == "__main__":
    on_event_loop(main(given()))
