"""Deliveries: what became of each message, attempt by attempt; and digests with what is in them."""

from collections.abc import Sequence
from typing import NamedTuple

from schemas.delivery import DeliveryStatus
from worker.board.board import Board
from worker.board.deliveries import Line, LineQuery
from worker.metrics import words as classes
from worker.web.notation import Notation
from worker.web.pages.why import AFTER, Choice, cursor_values, why_values
from worker.web.view import NotFound, View
from worker.web.visit import Visit
from worker.web.words.deliveries import DELIVERY_WORDS, DeliveryWords

_GAVE_UP = "gave_up_"
#: How a status is marked.
_MARKS = {
    DeliveryStatus.SENT: "good",
    DeliveryStatus.FAILED: "bad",
    DeliveryStatus.NOBODY: "bad",
    DeliveryStatus.DEFERRED: "accent",
}


class Row(NamedTuple):
    """A line of the delivery log as pages show it."""

    when: str
    status: str
    mark: str
    reason: str
    attempt: str
    next_attempt: str
    channel: str
    receiver: str
    route: str
    #: What it is about: a kind, and the address of its page, which is empty if there is none.
    about: str
    about_address: str
    #: The page of the digest that it is or was in, and that of the silence that holds it back; empty if there is none.
    digest: str
    silence: str
    address: str


class DigestRow(NamedTuple):
    """A digest as the list shows it."""

    when: str
    receiver: str
    channel: str
    status: str
    mark: str
    members: str
    address: str


def deliveries(visit: Visit, board: Board) -> View:
    """Return the latest deliveries, each by what happened to it last."""
    words, notation = DELIVERY_WORDS[visit.language], Notation(visit.language, visit.readers)
    query = {name: visit.query.get(name, "") for name in ("status", "channel", "receiver")}
    may_see = None if visit.person.sees_all else lambda line: _may_see(line, visit, board)
    page = board.deliveries.latest(LineQuery(**query, after=visit.query.get(AFTER, "")), may_see)
    statuses = [("", words.every_status), *((one.value, words.statuses[one]) for one in DeliveryStatus)]
    channels = [("", words.every_channel), *words.channels.items()]
    receivers = [("", words.every_receiver), *((one, one) for one in board.deliveries.receivers())]
    filters = [
        Choice("status", words.status, statuses, query["status"]),
        Choice("channel", words.channel, channels, query["channel"]),
    ]
    if visit.person.sees_all:
        filters.append(Choice("receiver", words.receiver, receivers, query["receiver"]))
    return View(
        "deliveries.html.j2",
        {
            **why_values(visit, "/deliveries"),
            "words": words,
            "rows": [_row(one, visit, board, words, notation) for one in page.entries],
            "filters": filters,
            "cursor": cursor_values(visit, page.total, page.next),
            "is_filtered": any(query.values()),
        },
    )


def delivery(visit: Visit, board: Board) -> View | NotFound:
    """Return one delivery with everything that happened to it."""
    words, notation = DELIVERY_WORDS[visit.language], Notation(visit.language, visit.readers)
    lines = board.deliveries.of_delivery(visit.parts.get("delivery_id", ""))
    if not lines or not (visit.person.sees_all or _may_see(lines[-1], visit, board)):
        return NotFound()
    rows = [_row(one, visit, board, words, notation) for one in lines]
    values = {**why_values(visit, ""), "words": words, "rows": rows, "newest": rows[-1]}
    return View("delivery.html.j2", values)


def digests(visit: Visit, board: Board) -> View | NotFound:
    """Return the latest digests."""
    if not visit.person.sees_all:
        return NotFound()
    words, notation = DELIVERY_WORDS[visit.language], Notation(visit.language, visit.readers)
    page = board.deliveries.digests(visit.query.get(AFTER, ""))
    return View(
        "digests.html.j2",
        {
            **why_values(visit, "/digests"),
            "words": words,
            "rows": [_digest_row(one, board, words, notation) for one in page.entries],
            "cursor": cursor_values(visit, page.total, page.next),
        },
    )


def digest(visit: Visit, board: Board) -> View | NotFound:
    """Return one digest with what is in it."""
    words, notation = DELIVERY_WORDS[visit.language], Notation(visit.language, visit.readers)
    found = board.deliveries.digest(visit.parts.get("digest_id", "")) if visit.person.sees_all else None
    if found is None:
        return NotFound()
    return View(
        "digest.html.j2",
        {
            **why_values(visit, ""),
            "words": words,
            "lines": [_row(one, visit, board, words, notation) for one in found.lines],
            "members": [_row(one, visit, board, words, notation) for one in found.members],
        },
    )


def reason_in_words(status: str, reason: str, words: DeliveryWords) -> str:
    """Return why a delivery has its status, as a sentence."""
    if reason.startswith(_GAVE_UP):
        return words.gave_up.format(reason=reason_in_words(status, reason.removeprefix(_GAVE_UP), words))
    found = words.reasons.get(reason) or words.reasons.get(classes.delivery(status, reason)[1])
    return found or words.other.format(reason=reason)


def delivery_rows(lines: Sequence[Line], visit: Visit, board: Board) -> list[Row]:
    """Return lines of the delivery log in words, for a page about what they are about."""
    words, notation = DELIVERY_WORDS[visit.language], Notation(visit.language, visit.readers)
    return [_row(one, visit, board, words, notation) for one in lines]


def _may_see(line: Line, visit: Visit, board: Board) -> bool:
    """Say whether a person may see what a delivery is about. What has no segment, such as a digest, is hidden."""
    if board.incidents.segment_of(line.alert_id) is not None:
        return board.incidents.find(line.alert_id, visit.person.segments) is not None
    segment = board.segment_of(line.alert_id)
    return segment is not None and visit.person.may_see(segment)


def _row(line: Line, visit: Visit, board: Board, words: DeliveryWords, notation: Notation) -> Row:
    about, about_address = _about(line, visit, board, words)
    digest_id = line.digest_id if visit.person.sees_all else ""
    can_see_silence = bool(line.silence_id) and board.silences.find(line.silence_id) is not None
    return Row(
        notation.brief(line.at, visit.now),
        words.statuses.get(line.status, line.status),
        _MARKS.get(DeliveryStatus(line.status), "") if line.status in {*DeliveryStatus} else "",
        reason_in_words(line.status, line.reason, words),
        words.attempt.format(n=notation.count(line.attempt)) if line.attempt else "",
        ""
        if line.next_attempt_at is None
        else words.next_attempt.format(when=notation.brief(line.next_attempt_at, visit.now)),
        words.channels.get(line.channel, line.channel),
        line.receiver or words.no_receiver,
        line.route,
        about,
        about_address,
        f"/digests/{digest_id}" if digest_id else "",
        "/silences" if can_see_silence and visit.person.sees_all else "",
        f"/deliveries/{line.delivery_id}",
    )


def _about(line: Line, visit: Visit, board: Board, words: DeliveryWords) -> tuple[str, str]:
    """Return what a delivery is about, and the address of its page."""
    if board.incidents.segment_of(line.alert_id) is not None:
        return words.incident, f"/incidents/{line.alert_id}"
    if line.alert_id == line.delivery_id or board.deliveries.is_digest(line.alert_id):
        return words.digest, f"/digests/{line.alert_id}"
    known = board.cases.find(line.alert_id, visit.now)
    return words.alert, f"/case/{line.alert_id}" if known is not None else ""


def _digest_row(line: Line, board: Board, words: DeliveryWords, notation: Notation) -> DigestRow:
    digest_id = line.digest_id or line.alert_id
    found = board.deliveries.digest(digest_id)
    own = found.lines[-1] if found is not None and found.lines else None
    number = 0 if found is None else len(found.members)
    status = "" if own is None else own.status
    return DigestRow(
        notation.moment(line.at),
        line.receiver or words.no_receiver,
        words.channels.get(line.channel, line.channel),
        words.waiting if own is None else words.statuses.get(status, status),
        _MARKS.get(DeliveryStatus(status), "") if status in {*DeliveryStatus} else "accent",
        words.member_count[0] if number == 1 else words.member_count[1].format(n=notation.count(number)),
        f"/digests/{digest_id}",
    )
