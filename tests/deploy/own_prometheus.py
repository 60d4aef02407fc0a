"""A Prometheus of one's own, at a free port of 127.0.0.1: what it has scraped, and which alarms it raises."""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import ClientConnectorError, ClientSession

from worker.embedded.die_with_parent import dying_with_parent
from worker.embedded.kafka import free_port

HOST = "127.0.0.1"
PROGRAM = "prometheus"
#: What to say where it is not installed.
MISSING = f"the program {PROGRAM} is not installed (on Debian and Ubuntu: apt-get install prometheus)"
_POLL_SECONDS = 0.1


class Prometheus:
    """A running Prometheus."""

    def __init__(self, port: int, client: ClientSession) -> None:
        self._url = f"http://{HOST}:{port}"
        self._client = client

    async def ready(self) -> None:
        """Wait until it answers questions."""
        while True:
            try:
                async with self._client.get(f"{self._url}/-/ready") as answer:
                    if answer.ok:
                        return
            except ClientConnectorError:
                pass
            await asyncio.sleep(_POLL_SECONDS)

    async def query(self, expression: str) -> list[dict[str, Any]]:
        """Return the series of an expression now, each with `metric` and `value`. Raise ValueError if it is wrong."""
        found = await self._ask("query", query=expression)
        series: list[dict[str, Any]] = found["result"]
        return series

    async def firing(self) -> set[str]:
        """Return the names of the alarms that fire."""
        found = await self._ask("alerts")
        return {alert["labels"]["alertname"] for alert in found["alerts"] if alert["state"] == "firing"}

    async def _ask(self, what: str, **parameters: str) -> dict[str, Any]:
        async with self._client.get(f"{self._url}/api/v1/{what}", params=parameters) as answer:
            said = await answer.json()
        if said["status"] != "success":
            raise ValueError(said["error"])
        data: dict[str, Any] = said["data"]
        return data


def is_installed() -> bool:
    """Say whether there is a Prometheus on this machine."""
    return shutil.which(PROGRAM) is not None


def configuration(ports: Iterable[int], rules: Path, *, every: str) -> dict[str, Any]:
    """Return a configuration that scrapes these ports of this machine, and evaluates rules, at an interval."""
    targets = [f"{HOST}:{port}" for port in ports]
    return {
        "global": {"scrape_interval": every, "scrape_timeout": every, "evaluation_interval": every},
        "rule_files": [str(rules)],
        "scrape_configs": [{"job_name": "detractor-worker", "static_configs": [{"targets": targets}]}],
    }


@asynccontextmanager
async def prometheus(config: Path, folder: Path) -> AsyncIterator[Prometheus]:
    """Run a Prometheus with a configuration file, and its data in a folder. It is gone at the end."""
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        *dying_with_parent(
            PROGRAM,
            f"--config.file={config}",
            f"--storage.tsdb.path={folder}",
            f"--web.listen-address={HOST}:{port}",
            "--log.level=error",
        )
    )
    try:
        async with ClientSession() as client:
            running = Prometheus(port, client)
            await running.ready()
            yield running
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def written(path: Path, content: dict[str, Any]) -> Path:
    """Write what Prometheus reads as YAML, and return where it is."""
    path.write_text(json.dumps(content), encoding="utf-8")  # JSON is YAML
    return path
