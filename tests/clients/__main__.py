"""Other Kafka clients publish, in every codec that they have, and everything that the worker makes of it must be exact.

make clients                                 all clients: about ten minutes on two cores
make clients ARGS="--only librdkafka"        some clients
make clients ARGS="--codec lz4 --json"       one codec; the last line is one JSON object

Each client publishes answers, repeats, corrections, broken records and erasures (null values). They are distributed by
murmur2 and by the client's own default partitioner. They have unusual headers and times, and come in small batches, in
large batches and in transactions, committed and aborted, if the client has transactions. If this machine lacks the
tools of a client, the table says that the client was not tried.
"""

import argparse
import asyncio
import json
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from clients.table import is_good, summary, table
from clients.toolchains import CLIENTS, CODECS, Client, NotReady, NotTried
from clients.trial import Row, try_client

from worker.embedded.kafka import EmbeddedKafka


@dataclass(frozen=True)
class Asked:
    """What is asked for on the command line."""

    clients: list[Client]
    codecs: list[str]
    size: int
    seed: int


def main() -> int:
    """Run it from the command line; exit 1 if anything that was tried is not exact, or nothing was tried."""
    parser = argparse.ArgumentParser(
        prog="make clients", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = [client.name for client in CLIENTS]
    parser.add_argument("--only", metavar="CLIENT,…", help=f"only these clients, of: {', '.join(names)}")
    parser.add_argument("--codec", choices=CODECS, help="only this codec (default: all codecs)")
    parser.add_argument(
        "--size", type=int, default=60, help="records of each run; a client has three to six runs (default: 60)"
    )
    parser.add_argument("--seed", type=int, default=1, help="the seed that the records are made from (default: 1)")
    parser.add_argument("--json", action="store_true", help="print one JSON object at the end")
    asked = parser.parse_args()
    wanted = asked.only.split(",") if asked.only else names
    if unknown := set(wanted) - {*names}:
        parser.error(f"no such client: {', '.join(sorted(unknown))}")
    plan = Asked(
        [client for client in CLIENTS if client.name in wanted],
        [asked.codec] if asked.codec else [*CODECS],
        asked.size,
        asked.seed,
    )
    rows = asyncio.run(_interruptible(plan))
    print()
    print("\n".join([*table(rows), "", summary(rows)]))
    if asked.json:
        print(json.dumps({"rows": [row.as_json() for row in rows], "summary": summary(rows)}))
    return 0 if is_good(rows) else 1


async def _interruptible(asked: Asked) -> list[Row]:
    """Run it, and clean up also when asked to end."""
    running = asyncio.ensure_future(_run(asked))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, running.cancel)
    return await running


async def _run(asked: Asked) -> list[Row]:
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="detractor-worker-clients-") as folder:
        async with EmbeddedKafka(progress=_say) as kafka:
            for client in asked.clients:
                rows += await _rows(client, asked, kafka.bootstrap_servers, Path(folder))
    return rows


async def _rows(client: Client, asked: Asked, kafka: str, folder: Path) -> list[Row]:
    """Return the rows of one client: one for each codec that it has."""
    try:
        command: Sequence[str] = await asyncio.to_thread(client.prepare)
    except (NotTried, NotReady) as error:
        exact = None if isinstance(error, NotTried) else False
        _say(f"{client.name}: {'is not tried' if exact is None else 'FAILED'}, {error}")
        return [Row(client.name, codec, exact=exact, wrong=str(error)) for codec in asked.codecs]
    rows = []
    for codec in asked.codecs:
        if codec not in client.codecs:
            row = Row(client.name, codec, wrong="the client does not have this codec")
        else:
            row = await try_client(client, command, codec, kafka=kafka, folder=folder, size=asked.size, seed=asked.seed)
        _say(f"{client.name} {codec}: {'exact' if row.exact else f'{row.verdict}, {row.wrong}'}")
        rows.append(row)
    return rows


def _say(line: str) -> None:
    print(f"{time.strftime('%H:%M:%S')}  {line}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
