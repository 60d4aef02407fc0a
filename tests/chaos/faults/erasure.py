"""Customers are erased, each with a mail that waits because the mail server says 'later'."""

import json
from typing import Any

from chaos import tables
from chaos.fault_context import FaultContext, Trial
from chaos.feed import recounted
from chaos.world import World, patience
from integration.reading import read_topic
from integration.sampling import Published

from worker.embedded.inbox import Answer, Mail, Step

_DONE_SECONDS = 5.0


async def run(context: FaultContext, trials: int) -> None:
    """Erase one customer of two; the other one is there to see that nothing else changes."""
    options = {"NPS_EMAIL__RETRY__FIRST_SECONDS": "1", "NPS_EMAIL__RETRY__LONGEST_SECONDS": "1"}
    async with context.world(**options) as world:
        world.inbox.behaviour = _later
        await world.begin()
        await world.publish([_unhappy(number) for number in range(2 * trials)])
        await world.caught_up(mails=False)
        await _all_deferred(world, 2 * trials)
        expected = recounted(world.published).windows()
        erased = [await _erase(context, world, number) for number in range(trials)]
        counts = {
            event.body["segment"]: event.body["windows"]["all"]["n"] for event in (await world.find()).events["scores"]
        }
        world.inbox.behaviour = None
        await world.inbox.wait_for(trials)
        mailed = {_customer(mail.message) for mail in world.inbox.mails}
        for number, trial in enumerate(erased):
            trial.expect("mails about the erased", f"c-{number}" in mailed, expected=False)
            trial.expect("mails about the neighbour", f"c-{number + trials}" in mailed, expected=True)
            trial.expect("counts", counts, {path: windows["all"]["n"] for path, windows in expected.items()})


async def _erase(context: FaultContext, world: World, number: int) -> Trial:
    async with context.trial(number) as trial:
        customer = f"c-{number}".encode()
        with trial.healing(_DONE_SECONDS):
            await world.publish([Published(customer, None, [], None)])
            await world.caught_up(mails=False)
        found = await world.find()
        trial.expect("in the table of customers", customer in found.tables["contacts"].rows, expected=False)
        trial.expect("in the outbox", customer in tables.customers(found.tables["outbox"]), expected=False)
    return trial


async def _later(step: Step, _mail: Mail) -> Answer:
    return "451 4.3.0 later" if step is Step.DATA else None


def _unhappy(number: int) -> Published:
    event = {
        "response_id": f"r-{number}",
        "survey_id": "s",
        "customer_id": f"c-{number}",
        "score": number % 7,
        "comment": f"of c-{number}",
        "responded_at": "2025-06-01T10:00:00Z",
        "segment": ["fr", "lyon"],
        "customer": {"name": f"N {number}", "email": f"c{number}@example.com"},
    }
    return Published(event["customer_id"].encode(), json.dumps(event).encode(), [], event)  # type: ignore[attr-defined]


async def _all_deferred(world: World, count: int) -> None:
    async with patience("every mail to be deferred"):
        while True:
            lines = [json.loads(r.value) for r in await read_topic(world.kafka, f"{world.name}.deliveries")]
            if len({line["delivery_id"] for line in lines if line["status"] == "deferred"}) == count:
                return


def _customer(message: Any) -> str:
    page: str = message.get_body(("plain",)).get_content()
    return next(word for word in page.split() if word.startswith("c-"))
