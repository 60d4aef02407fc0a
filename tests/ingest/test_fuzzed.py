"""Damaged deliveries over HTTP: none causes an error of the worker, and what is published can be read."""

import json
from collections import Counter

from ingest.sites import Desk, served
from receive.deliveries import AT
from receive.fuzzing import damaged, of_all_tools
from receive.signing import signed

from schemas.dead_letter import DeadLetter
from worker.flow import events
from worker.flow.responses.formats import bare

COUNT, SEED = 1_000, 7


async def test_damaged_deliveries_become_nothing_but_responses_and_dead_letters() -> None:
    desk, settings = Desk(), of_all_tools()
    answered = Counter[int]()
    async with served(desk, sources=settings.sources, body_bytes=200_000) as client:
        for source_name, request in damaged(COUNT, SEED):
            source = settings.source(source_name)
            assert source is not None
            path = f"/receive/{source_name}"
            # As HubSpot knows the address, which it signs.
            given = signed(source, request, AT, desk.url(path).replace("http:", "https:"))
            url = desk.url(f"{path}/{given.path_secret}" if given.path_secret else path)
            async with client.post(url, data=given.body, headers=given.headers) as answer:
                answered[answer.status] += 1
                outcomes = json.loads(await answer.read())["outcomes"] if answer.status == 200 else []
                assert outcomes or answer.status != 200

    # What the adapters never see: it is too large, or not compressed as its header says.
    assert answered.keys() <= {200, 400, 413, 415}
    assert answered[200] > COUNT * 0.8
    assert {source for source, _ in desk.counted} == {source.name for source in settings.sources}
    topics = Counter(output.topic for output in desk.published)
    assert topics[events.RESPONSES] > 50
    assert topics[events.DEAD_LETTERS] > 100
    for output in desk.published:
        if output.topic == events.RESPONSES:
            assert bare.read(output.value or b"").response_id
        elif output.topic == events.DEAD_LETTERS:
            DeadLetter.model_validate_json(output.value or b"")
