"""What the worker refused is found again by whoever asks for it."""

from integration.conftest import StartBench

from worker.dead_letters import newest
from worker.flow import events
from worker.kafka.topics import topic_name


async def test_the_newest_dead_letters_are_found_by_number_reason_and_time(bench: StartBench) -> None:
    async with bench() as worker:
        topic = topic_name(worker.settings.topic_prefix, events.DEAD_LETTERS)
        for number in range(6):
            await worker.publish(b"{" if number % 2 else b"[]", b"k%d" % number)
        await worker.settle()
        kafka = worker.settings.kafka
        everything = await newest(kafka, topic, limit=100)

        assert len(everything) == 6
        assert [letter.timestamp for letter in everything] == sorted(letter.timestamp for letter in everything)
        assert everything[-2:] == await newest(kafka, topic, limit=2)
        assert {"not_json"} == {letter.reason for letter in await newest(kafka, topic, limit=100, reason="not_json")}
        assert 3 == len(await newest(kafka, topic, limit=100, reason="not_json"))
        assert [] == await newest(kafka, topic, limit=100, since=2**42)
        assert [] == await newest(kafka, f"{topic}.elsewhere", limit=100)
