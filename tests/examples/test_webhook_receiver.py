"""The example of a receiver takes what the webhook posts, once, and nothing that is not signed."""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from notify.conftest import make_alert
from notify.rigs import HOST

from schemas.alert import Alert
from schemas.erasure import Erasure
from worker.embedded.die_with_parent import dying_with_parent
from worker.errors import DeliveryError
from worker.notify.channels.webhook.channel import Webhook
from worker.notify.channels.webhook.settings import WebhookSettings
from worker.notify.digest import Content, Digest, Item
from worker.notify.receivers import Address
from worker.routing.receiver import Receiver

PROGRAM = Path(__file__).parents[2] / "examples" / "webhook_receiver.py"
OLD, NEW = (f"whsec_{letter * 32}" for letter in "AB")
#: 25 bytes, and none of the two signs that pad them to whole groups of four.
UNPADDED = f"whsec_{'C' * 33}A"
ADDRESS = Address(Receiver("crm", {"webhook": ["crm"]}), "crm", ["crm"])
ERASED = Erasure(customer_id="c-42", occurred_at=datetime(2026, 8, 2, tzinfo=UTC))

__all__ = ["make_alert"]


@pytest.mark.parametrize("new", [NEW, UNPADDED])
async def test_it_takes_each_event_once_if_one_of_the_signatures_is_by_its_secret(
    make_alert: Callable[..., Alert], unused_tcp_port: int, new: str
) -> None:
    program = await asyncio.create_subprocess_exec(
        *dying_with_parent(sys.executable, str(PROGRAM), str(unused_tcp_port)),
        stdout=PIPE,
        stderr=PIPE,
        env={**os.environ, "WEBHOOK_SECRET": new},
    )

    async def post(notice: Content, delivery_id: str, *secrets: str, age: timedelta = timedelta()) -> None:
        endpoint = {"url": f"http://{HOST}:{unused_tcp_port}/", "secrets": secrets}
        channel = Webhook(WebhookSettings(endpoints={"crm": endpoint}), lambda: datetime.now(UTC) - age)
        try:
            await channel.send(notice, ADDRESS, delivery_id, lambda: None)
        finally:
            await channel.aclose()

    try:
        await listening(unused_tcp_port)
        with pytest.raises(DeliveryError, match="http_401"):
            await post(make_alert(), "d-1", OLD)
        with pytest.raises(DeliveryError, match="http_401"):
            await post(make_alert(), "d-1", new, age=timedelta(minutes=6))
        await post(make_alert(), "d-1", OLD, new)
        await post(make_alert(), "d-1", new)
        # A digest lists what has come alone, and something that is new.
        items = [Item(make_alert(), sent_id="d-1"), Item(make_alert(customer_id="c-43"), sent_id="d-3")]
        await post(Digest("d-4", 0, items), "d-4", new)
        await post(ERASED, "d-2", new)

        assert program.stdout is not None
        lines = [(await program.stdout.readline()).decode().rstrip() for _ in range(3)]
        assert lines == ["nps.alert.v1 opened c-42", "nps.alert.v1 opened c-43", "nps.erasure.v1 c-42"]
    finally:
        program.kill()
        rest, _ = await program.communicate()
    assert rest == b""


async def listening(port: int) -> None:
    """Wait until a program listens at a port."""
    while True:
        try:
            _, writer = await asyncio.open_connection(HOST, port)
        except ConnectionRefusedError:
            await asyncio.sleep(0.02)  # a socket raises no event here
        else:
            writer.close()
            return
