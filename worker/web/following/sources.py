"""The topics that the page shows, and which store of the board gets the records of each."""

from collections.abc import Callable

from aiokafka import ConsumerRecord

from schemas import cloudevents
from worker.board.board import FEWER, Board
from worker.board.newest import Bounds
from worker.flow import events
from worker.flow.record import header
from worker.kafka.topics import CASES, SEGMENTS, changelog_name, topic_name
from worker.settings import Settings
from worker.web.following.changelog import Changelog
from worker.web.following.followed import Source

#: How many times the records that are kept are read at first: the partitions of a topic seldom have equally many.
_SHARE = 2
_INCIDENT = cloudevents.INCIDENT.encode()


def bounds_of(settings: Settings) -> Bounds:
    """Return how much the board keeps of each topic of which it keeps the newest records."""
    return Bounds(settings.web.latest_records, settings.web.latest_megabytes * 1_000_000)


def cases_source(settings: Settings, board: Board) -> Source:
    """Return the changelog of the cases, which is all that the pages of links need."""

    def take(key: bytes, row: bytes | None, partition: int) -> None:
        board.cases.take(key, row, partition)

    changelog = Changelog(take, board.cases.forget)
    topic = changelog_name(settings.kafka.group, "process", CASES)
    return Source(topic, ("cases",), changelog.take, changelog.forget)


def sources(settings: Settings, board: Board) -> list[Source]:
    """Return everything that the page shows."""

    def named(topic: str) -> str:
        return topic_name(settings.topic_prefix, topic)

    def take_scores(record: ConsumerRecord) -> None:
        board.scores.take((record.key or b"").decode(), record.value, record.timestamp, record.partition)

    def take_segment(key: bytes, row: bytes | None, partition: int) -> None:
        board.history.take(key.decode(), row, partition)

    def take_silence(record: ConsumerRecord) -> None:
        board.silences.take(record.key or b"", record.value)

    def take_alert(record: ConsumerRecord) -> None:
        if header(record, "ce_type") == _INCIDENT:
            board.incidents.take(record)
        else:
            board.alerts.take(record)

    def forget_alerts(partition: int) -> None:
        board.incidents.forget(partition)
        board.alerts.forget(partition)

    history = Changelog(take_segment, board.history.forget)
    segments = changelog_name(settings.kafka.group, "process", SEGMENTS)
    newest = settings.web.latest_records * _SHARE
    answers, recoveries, deliveries, letters = board.answers, board.recoveries, board.deliveries, board.dead_letters
    return [
        Source(named(events.SCORES), ("scores",), take_scores, board.scores.forget),
        Source(segments, ("history",), history.take, history.forget),
        cases_source(settings, board),
        Source(named(events.SILENCES), ("silences",), take_silence, _all_of(board.silences.forget)),
        Source(named(events.ALERTS), ("alerts", "incidents"), take_alert, forget_alerts, newest),
        Source(named(events.RECOVERIES), ("recoveries",), recoveries.take, recoveries.forget, newest),
        Source(named(events.DECISIONS), ("answers",), answers.take, answers.forget, newest),
        Source(named(events.DELIVERIES), ("deliveries",), deliveries.take, deliveries.forget, newest),
        Source(named(events.DEAD_LETTERS), ("dead_letters",), letters.take, letters.forget, newest // FEWER),
    ]


def _all_of(forget: Callable[[], None]) -> Callable[[int], None]:
    return lambda _: forget()
