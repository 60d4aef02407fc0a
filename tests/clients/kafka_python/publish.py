"""Publishes the runs of a plan by kafka-python, which needs libraries for every codec but gzip."""

import base64
import json
import sys
import uuid
from typing import Any

import kafka


def main(path: str) -> None:
    with open(path, encoding="utf-8") as file:  # noqa: PTH123 - as short as it can be
        plan = json.load(file)
    acknowledged = sum(publish(plan, run) for run in plan["runs"])
    print(json.dumps({"version": kafka.__version__, "published": acknowledged}))  # type: ignore[attr-defined]  # mypy takes tests/kafka for it


def publish(plan: dict[str, Any], run: dict[str, Any]) -> int:
    settings: dict[str, Any] = {
        "bootstrap_servers": plan["bootstrap"],
        "compression_type": None if plan["codec"] == "none" else plan["codec"],
        "linger_ms": run["linger_ms"],
        "batch_size": run["batch_bytes"],
        "enable_idempotence": True,
    }
    # Its default partitioner is murmur2, so there is nothing to choose.
    if run["transaction"]:
        settings["transactional_id"] = str(uuid.uuid4())
    producer = kafka.KafkaProducer(**settings)  # type: ignore[attr-defined]  # likewise
    try:
        if run["transaction"]:
            producer.init_transactions()
            producer.begin_transaction()
        sending = [
            producer.send(
                plan["topic"],
                key=bytes_of(record["key"]),
                value=bytes_of(record["value"]),
                headers=[(bytes_of(name).decode(), bytes_of(value)) for name, value in record["headers"]],
                timestamp_ms=record["timestamp"],
            )
            for record in run["records"]
        ]
        producer.flush(60)
        for each in sending:
            each.get(60)
        if run["transaction"] == "commit":
            producer.commit_transaction()
        elif run["transaction"] == "abort":
            producer.abort_transaction()
    finally:
        producer.close(10)
    return len(sending)


def bytes_of(text: str | None) -> Any:
    return None if text is None else base64.b64decode(text)


if __name__ == "__main__":
    main(sys.argv[1])
