"""The mail server is away while five hundred alerts come in, and comes back."""

import json

from chaos.fault_context import FaultContext
from chaos.world import World
from integration.sampling import Published

_ALERTS = 500
_ALERTS_QUICK = 60
_ACCEPTED_SECONDS = 60.0


async def run(context: FaultContext, trials: int) -> None:
    """Counting goes on meanwhile; everything is accepted soon after."""
    alerts = _ALERTS_QUICK if context.quick else _ALERTS
    async with context.world(NPS_KAFKA__BATCH_RECORDS="500") as world:
        await world.begin()
        for number in range(trials):
            async with context.trial(number) as trial:
                before = world.inbox.accepted
                await world.inbox.stop()
                await _publish_unhappy(world, alerts, number)
                await world.caught_up(mails=False)
                scores = {event.body["segment"]: event.body for event in (await world.find()).events["scores"]}
                trial.expect("answers counted meanwhile", scores[""]["windows"]["all"]["n"], alerts * (number + 1))
                await world.inbox.start()
                with trial.healing(_ACCEPTED_SECONDS):
                    await world.mailed()
                trial.expect("mails", world.inbox.accepted - before, alerts)
                trial.take(await world.check())


async def _publish_unhappy(world: World, count: int, number: int) -> None:
    records = []
    for place in range(count):
        event = {
            "response_id": f"r-{number}-{place}",
            "survey_id": "s",
            "customer_id": f"c-{place}",
            "score": place % 7,
            "responded_at": f"2025-06-01T10:00:00.{place:03}Z",
            "segment": ["fr", "lyon"],
        }
        records.append(Published(f"c-{place}".encode(), json.dumps(event).encode(), [], event))
    await world.publish(records)
