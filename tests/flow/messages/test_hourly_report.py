"""Hourly reports: messages that Kafka takes, and the tick with the last of them."""

from worker.flow import events
from worker.flow.messages import hourly_report
from worker.flow.messages.hourly_report import PARTITION, HourlyReport
from worker.nps.usage import LeftOut, Usage


def read(report: HourlyReport) -> list[HourlyReport]:
    return [hourly_report.decode(output.value or b"") for output in hourly_report.outputs(report)]


def test_a_report_is_one_message() -> None:
    report = HourlyReport(3, {"fr": b"column", "": b"other"}, 17)
    (output,) = hourly_report.outputs(report)

    assert (events.HOURS, None, PARTITION) == (output.topic, output.key, output.partition)
    assert read(report) == [report]


def test_a_tick_is_reported_where_there_is_nothing_else() -> None:
    assert read(HourlyReport(3, {}, 17)) == [HourlyReport(3, {}, 17)]


def test_how_many_segments_there_are_is_reported_with_the_tick_alone() -> None:
    usage = Usage(50, 60, LeftOut(480_000, "fr"))
    segments = {f"shop-{number}": bytes([number]) * 30_000 for number in range(50)}
    found = read(HourlyReport(3, segments, 17, usage))

    assert [message.usage for message in found] == [None] * (len(found) - 1) + [usage]
    assert len(found) > 1


def test_nothing_is_reported_where_there_is_nothing() -> None:
    assert read(HourlyReport(3, {})) == []


def test_what_kafka_would_not_take_comes_in_several_messages_and_the_tick_with_the_last() -> None:
    segments = {f"shop-{number}": bytes([number]) * 30_000 for number in range(50)}
    found = read(HourlyReport(3, segments, 17))

    assert len(found) > 1
    assert max(len(output.value or b"") for output in hourly_report.outputs(HourlyReport(3, segments, 17))) <= 500_000
    assert {path: column for report in found for path, column in report.segments.items()} == segments
    assert [report.tick for report in found] == [None] * (len(found) - 1) + [17]
    assert {report.source for report in found} == {3}


def test_one_segment_that_is_too_large_is_sent_as_it_is() -> None:
    report = HourlyReport(3, {"fr": b"x" * 600_000}, 17)

    assert read(report) == [report]
