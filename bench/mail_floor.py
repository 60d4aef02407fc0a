"""What a mail costs at least: python -m bench.mail_floor [--rate MAILS_A_SECOND] [--seconds N].

It starts a Kafka and a mail server of its own. Alerts come at a steady rate, and a bare loop of aiokafka and aiosmtplib
(bench/contenders/bare_mailer.py) does for each of them the requests that the role `notify` would do if it had nothing
to decide and nothing to share between mails.
"""

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from aiokafka import AIOKafkaProducer

from bench import feed, latency, measure
from bench.contenders.task import Task
from bench.measure import BenchError
from worker.embedded.inbox import Inbox
from worker.embedded.kafka import EmbeddedKafka

_RATE, _SECONDS, _WARM_UP_SECONDS = 25, 20, 5
_NAME = "floor"
#: An alert of the usual size.
_ALERT = b"a" * 1_000


def main() -> int:
    """Run it from the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.mail_floor", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rate", type=int, default=_RATE, help="mails a second (default: 25)")
    parser.add_argument("--seconds", type=int, default=_SECONDS, help="how long it is measured (default: 20)")
    asked = parser.parse_args()
    try:
        milliseconds = asyncio.run(_run(asked.rate, asked.seconds))
    except BenchError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{asked.rate}/s: {milliseconds:.2f} ms of CPU for a mail, of a bare loop of aiokafka and aiosmtplib")
    return 0


async def _run(rate: int, seconds: int) -> float:
    """Return the CPU time for each mail, in ms. Raise BenchError if the loop fails."""
    with tempfile.TemporaryDirectory(prefix="detractor-worker-bench-") as folder:
        async with EmbeddedKafka(progress=lambda line: print(line, flush=True), data_dir=Path(folder)) as kafka:
            servers, topic = kafka.bootstrap_servers, f"{_NAME}.alerts"
            task = Task(servers, topic, _NAME, rate * seconds, rate * _WARM_UP_SECONDS)
            await feed.create(servers, task.partitions, topic, f"{_NAME}.deliveries", f"{_NAME}.outbox")
            alerts = [(number, (b"c-%d" % number, _ALERT)) for number in range(task.before + task.events)]
            command = measure.module("bare_mailer")
            async with (
                Inbox() as inbox,
                AIOKafkaProducer(bootstrap_servers=servers) as producer,
                measure.started(command, task, Path(folder), SMTP_PORT=str(inbox.port)) as process,
            ):
                await latency.publish(producer, topic, alerts, rate, lambda *_: None)
                said = await measure.heard("the bare loop", process)
    return float(said["cpu_seconds"]) / task.events * 1e3


if __name__ == "__main__":
    sys.exit(main())
