"""Dead letters for an operator: reading the newest ones of the topic, and formatting each as lines for a terminal."""

import unicodedata
from base64 import b64decode
from contextlib import aclosing
from operator import attrgetter

from pydantic import ValidationError

from schemas.dead_letter import DeadLetter
from worker.kafka import reading
from worker.kafka.preflight import preflight
from worker.settings import KafkaSettings
from worker.terminal import fitting


async def newest(
    kafka: KafkaSettings, topic: str, *, limit: int, reason: str | None = None, since: int = 0
) -> list[DeadLetter]:
    """Return the newest dead letters, the oldest of them first; an empty list if the topic does not exist yet.

    At most `limit` are returned; only those with this `reason`, if there is one; and only records that were refused
    at the time `since`, in ms, or later. Raise Unreachable or Refused if Kafka cannot be reached or does not let the
    worker in, KafkaError if it does not answer.
    """
    await preflight(kafka)
    found: list[DeadLetter] = []
    async with reading.reader(kafka) as reader:
        partitions = await reader.partitions(topic)
        ends = await reader.ends(topic, partitions)
        starts = await reader.from_time(topic, partitions, since)
        # Without a reason, the newest `limit` offsets of each partition are enough. With one, all have to be read.
        spans = {
            partition: (first if reason else max(first, ends[partition] - limit), ends[partition])
            for partition, first in starts.items()
        }
        async with aclosing(reader.read(topic, spans)) as chunks:
            async for records in chunks:
                for record in records:
                    letter = _read(record.value)
                    if letter is not None and reason in {None, letter.reason}:
                        found.append(letter)
                found = sorted(found, key=attrgetter("timestamp"))[-limit:]
    return found


def _read(value: bytes | None) -> DeadLetter | None:
    try:
        return DeadLetter.model_validate_json(value or b"")
    except ValidationError:
        return None  # another program's record; it is skipped, since nothing is decided by this topic


def lines(letter: DeadLetter, width: int | None) -> list[str]:
    """Return a dead letter as lines of at most `width` columns. Without a width, lines are not cut."""
    at = letter.timestamp.strftime("%Y-%m-%d %H:%M:%S %Z")
    cut = f" (the first {len(_bytes(letter.payload)):,} of {letter.payload_bytes:,} bytes)" if letter.truncated else ""
    # A delivery by HTTP has lain on no topic, and has no key.
    is_record = letter.partition >= 0
    place = f", partition {letter.partition}, offset {letter.offset}" if is_record else ""
    key = f"  key    {'none' if letter.key is None else printable(_bytes(letter.key))}"
    what = "value" if is_record else "body "
    shown = [
        f"{at}  {letter.reason}  {letter.topic}{place}",
        f"  why    {printable(letter.detail.encode())}",
        *([key] if is_record else []),
        f"  {what}  {'none' if letter.payload is None else printable(_bytes(letter.payload))}{cut}",
    ]
    return [fitting(line, width) for line in shown]


def _bytes(text: str | None) -> bytes:
    return b64decode(text or "")


def printable(value: bytes) -> str:
    """Return bytes as text on one line.

    Bytes that are not UTF-8 are escaped, and so are characters that a terminal would obey or would not show.
    """
    text = value.decode(errors="backslashreplace")
    return "".join(c if unicodedata.category(c)[0] not in "CZ" or c == " " else _escaped(c) for c in text)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode()
