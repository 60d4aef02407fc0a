"""One row of the table: a client publishes in one codec, a worker of its own decides, and a recount judges."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from chaos import invariants
from chaos.world import NotHealed, World, patience, world
from clients.records import records_of, runs_for
from clients.toolchains import Client

from worker.embedded.die_with_parent import dying_with_parent

_SHOWN = 4


class ClientFailed(Exception):
    """The client's program did not publish everything."""


@dataclass
class Row:
    """What came of it. `exact` is None if the client was not tried; `wrong` says why it is not true."""

    client: str
    codec: str
    version: str = ""
    published: int = 0
    aborted: int = 0
    decided: int = 0
    dead_letters: int = 0
    exact: bool | None = None
    wrong: str = ""

    @property
    def verdict(self) -> str:
        """Return the table's last column."""
        return {True: "yes", False: "NO", None: "not tried"}[self.exact]

    def as_json(self) -> dict[str, Any]:
        """Return it for the line of JSON."""
        return asdict(self)


async def try_client(
    client: Client, command: Sequence[str], codec: str, *, kafka: str, folder: Path, size: int, seed: int
) -> Row:
    """Return a row."""
    row, name = Row(client.name, codec), f"{client.name}-{codec}"
    try:
        async with world(name, kafka, folder, seed=f"{seed}-{name}") as at:
            worker = await at.begin(NPS_KAFKA__BATCH_RECORDS="200")
            await _publish(client, command, row, at, size, f"{seed}-{name}")
            await at.caught_up()
            found = await at.find()
            row.decided, row.dead_letters = len(found.events["decisions"]), len(found.events["dead-letters"])
            wrong = (await asyncio.to_thread(invariants.check, at.published, found, at.allowed())).wrong
            if code := await worker.stop():
                wrong.append(f"the worker ended with exit code {code}")
            row.exact, row.wrong = not wrong, _shown([*wrong, *(at.last_words() if wrong else [])])
    except (NotHealed, ClientFailed, AssertionError) as error:
        row.exact, row.wrong = False, str(error)
    return row


async def _publish(client: Client, command: Sequence[str], row: Row, at: World, size: int, seed: str) -> None:
    """Have the client publish, and note what it did and what must come of it."""
    runs = runs_for(transactions=client.transactions, default_keeps_order=client.default_keeps_order)
    able = {"null_headers": client.null_headers, "broken_names": client.broken_names}
    batches = [(run, records_of(run, size, seed, **able)) for run in runs]
    plan = at.folder / "plan.json"
    plan.write_text(
        json.dumps(
            {
                "bootstrap": at.kafka,
                "topic": f"{at.name}.responses",
                "codec": row.codec,
                "runs": [run.as_json(records) for run, records in batches],
            }
        )
    )
    said = await _run([*command, str(plan)])
    row.version = said["version"]
    for run, records in batches:
        if run.transaction == "abort":
            row.aborted += len(records)
        else:
            at.published += [record.expected for record in records]
    row.published = len(at.published)
    if said["published"] != row.published + row.aborted:
        raise ClientFailed(f"the client published {said['published']} of {row.published + row.aborted} records")


async def _run(command: Sequence[str]) -> dict[str, Any]:
    """Run a client's program, and return the last line that it prints."""
    process = await asyncio.create_subprocess_exec(
        *dying_with_parent(*command), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        async with patience("the client to publish"):
            out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise ClientFailed(f"exit code {process.returncode}: {_shown(err.decode(errors='replace').splitlines()[-8:])}")
    found: dict[str, Any] = json.loads(out.splitlines()[-1])
    return found


def _shown(lines: Sequence[str]) -> str:
    more = f"; and {len(lines) - _SHOWN} more" if len(lines) > _SHOWN else ""
    return "; ".join(lines[:_SHOWN]) + more
