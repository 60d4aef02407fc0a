"""Publishes the runs of a plan by librdkafka. Its default partitioner is CRC-32, which is not Kafka's."""

import base64
import json
import sys
import uuid
from typing import Any

from confluent_kafka import KafkaError, Message, Producer, libversion


def main(path: str) -> None:
    with open(path, encoding="utf-8") as file:  # noqa: PTH123 - as short as it can be
        plan = json.load(file)
    acknowledged = sum(publish(plan, run) for run in plan["runs"])
    print(json.dumps({"version": libversion()[0], "published": acknowledged}))


def publish(plan: dict[str, Any], run: dict[str, Any]) -> int:
    settings: dict[str, Any] = {
        "bootstrap.servers": plan["bootstrap"],
        "compression.type": plan["codec"],
        "linger.ms": run["linger_ms"],
        "batch.size": run["batch_bytes"],
        "message.max.bytes": 1_000_000,
        "enable.idempotence": True,
    }
    if run["partitioner"] == "murmur2":
        settings["partitioner"] = "murmur2_random"
    if run["transaction"]:
        settings["transactional.id"] = str(uuid.uuid4())
    producer, acknowledged = Producer(settings), 0

    def delivered(error: KafkaError | None, _message: Message) -> None:
        nonlocal acknowledged
        acknowledged += error is None

    if run["transaction"]:
        producer.init_transactions(60)
        producer.begin_transaction()
    for record in run["records"]:
        timestamp = {} if record["timestamp"] is None else {"timestamp": record["timestamp"]}
        headers = [(bytes_of(name).decode(), bytes_of(value)) for name, value in record["headers"]]
        key, value = bytes_of(record["key"]), bytes_of(record["value"])
        producer.produce(plan["topic"], value, key, headers=headers, on_delivery=delivered, **timestamp)
        producer.poll(0)
    left = producer.flush(60)
    if left or acknowledged != len(run["records"]):
        sys.exit(f"{acknowledged} of {len(run['records'])} records were acknowledged")
    if run["transaction"] == "commit":
        producer.commit_transaction(60)
    elif run["transaction"] == "abort":
        producer.abort_transaction(60)
    return acknowledged


def bytes_of(text: str | None) -> Any:
    return None if text is None else base64.b64decode(text)


if __name__ == "__main__":
    main(sys.argv[1])
