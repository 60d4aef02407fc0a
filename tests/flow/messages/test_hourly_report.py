"""What segments tell of their hours: messages that Kafka takes, and the tick with the last of them."""

from worker.flow import outbox
from worker.flow.messages import hourly_report
from worker.flow.messages.hourly_report import PARTITION, Hours
from worker.nps.usage import LeftOut, Usage


def read(told: Hours) -> list[Hours]:
    return [hourly_report.decode(output.value or b"") for output in hourly_report.outputs(told)]


def test_what_is_told_is_one_message_for_whoever_watches() -> None:
    told = Hours(3, {"fr": b"column", "": b"other"}, 17)
    (output,) = hourly_report.outputs(told)

    assert (outbox.HOURS, None, PARTITION) == (output.topic, output.key, output.partition)
    assert read(told) == [told]


def test_a_tick_is_told_where_there_is_nothing_else() -> None:
    assert read(Hours(3, {}, 17)) == [Hours(3, {}, 17)]


def test_how_many_segments_there_are_is_told_with_the_tick_alone() -> None:
    usage = Usage(50, 60, LeftOut(480_000, "fr"))
    segments = {f"shop-{number}": bytes([number]) * 30_000 for number in range(50)}
    found = read(Hours(3, segments, 17, usage))

    assert [message.usage for message in found] == [None] * (len(found) - 1) + [usage]
    assert len(found) > 1


def test_nothing_is_told_where_there_is_nothing() -> None:
    assert read(Hours(3, {})) == []


def test_what_kafka_would_not_take_comes_in_several_messages_and_the_tick_with_the_last() -> None:
    segments = {f"shop-{number}": bytes([number]) * 30_000 for number in range(50)}
    found = read(Hours(3, segments, 17))

    assert len(found) > 1
    assert max(len(output.value or b"") for output in hourly_report.outputs(Hours(3, segments, 17))) <= 500_000
    assert {path: column for told in found for path, column in told.segments.items()} == segments
    assert [told.tick for told in found] == [None] * (len(found) - 1) + [17]
    assert {told.source for told in found} == {3}


def test_one_segment_that_is_too_large_is_sent_as_it_is() -> None:
    told = Hours(3, {"fr": b"x" * 600_000}, 17)

    assert read(told) == [told]
