"""Mailboxes of customers about whom nothing was sent for long: their rows go, and it makes no difference when."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from flow.records import DAY, NOW
from hypothesis import given
from hypothesis import strategies as st
from notify.mailboxes import DEFAULT, pending, planner, record_of

from schemas.alert import Alert
from schemas.delivery import DeliveryStatus
from worker.notify import forgetting, mailbox
from worker.notify.forgetting import ROWS_PER_BATCH, Sweep
from worker.notify.mailbox import Mail, Mailbox

MakeAlert = Callable[..., Alert]

DAYS = 730
PLANNER = planner(DEFAULT, actions=("opened", "withdrawn"))


def sent(planned: int, **changes: Any) -> Mail:
    return pending(**({"status": DeliveryStatus.SENT, "attempts": 1, "planned": planned} | changes))


def row(*mails: Mail) -> bytes:
    return mailbox.encode(Mailbox(list(mails)))


@pytest.mark.parametrize(
    ("key", "found", "is_forgotten"),
    [
        (b"c-1", row(sent(9)), True),
        (b"c-1", row(sent(10)), False),
        (b"c-1", row(sent(9), sent(10)), False),
        (b"c-1", row(sent(9), sent(8, status=DeliveryStatus.FAILED)), True),
        (b"c-1", row(sent(9), pending(planned=1)), False),  # it waits, however long
        (b"c-1", row(pending(planned=1, status=DeliveryStatus.DEFERRED)), False),
        (b"\x01fr/lyon", row(sent(9)), False),
        (b"\x02c-1", row(sent(9)), False),
        (b"c-1\x00d-1", b"{}", False),
        # as version 0.1.0 wrote it
        (b"c-1", b"\x00" + msgspec.msgpack.encode([[["d-1", "a-1", "default", "sent", 1, 9, 0]]]), True),
    ],
)
def test_a_mailbox_is_forgotten_if_nothing_waits_and_nothing_was_planned_for_long(
    key: bytes, found: bytes, *, is_forgotten: bool
) -> None:
    assert forgetting.is_forgotten(key, found, 10) == is_forgotten


def test_with_the_alerts_of_others_forgotten_mailboxes_are_erased_in_rounds(make_alert: MakeAlert) -> None:
    old = {f"c-{n}".encode(): row(sent(NOW - DAYS * DAY - 1)) for n in range(2 * ROWS_PER_BATCH)}
    rows = {**old, b"young": row(sent(NOW - DAYS * DAY)), b"waits": row(pending(planned=0))}
    sweep = Sweep(rows)

    def carry(days: int) -> None:
        alert = record_of(make_alert(alert_id=f"a-{days}"), f"e-{days}", b"other", timestamp=NOW + days * DAY)
        decided = forgetting.plan([alert], PLANNER, rows, sweep, DAYS)
        for key, changed in decided.rows.items():
            if changed is None:
                rows.pop(key, None)
            else:
                rows[key] = changed

    for _ in range(3):
        carry(0)
    assert not old.keys() & rows.keys()
    assert {b"young", b"waits", b"other"} <= rows.keys()
    carry(1)  # the next round
    assert b"young" not in rows
    assert {b"waits", b"other"} <= rows.keys()


def test_a_mailbox_that_is_forgotten_and_used_again_is_a_new_one(make_alert: MakeAlert) -> None:
    rows = {b"c-1": row(sent(NOW - DAYS * DAY - 1, delivery_id="old"))}
    decided = forgetting.plan([record_of(make_alert(), key=b"c-1")], PLANNER, rows, Sweep(rows), DAYS)

    changed = decided.rows[b"c-1"]
    assert changed is not None
    assert [mail.status for mail in mailbox.decode(changed).mails] == [DeliveryStatus.PENDING]


def test_a_batch_without_records_forgets_nothing() -> None:
    rows = {b"c-1": row(sent(0))}

    assert forgetting.plan([], PLANNER, rows, Sweep(rows), DAYS).rows == {}


_KEYS = [b"c-1", b"c-2", b"c-3"]
_MAILS = st.lists(
    st.builds(
        lambda age, is_open, alert: (pending if is_open else sent)(
            planned=NOW - age * DAY, alert_id=alert, delivery_id=f"{alert}-{age}"
        ),
        st.sampled_from([0, 700, 729, 730, 731, 900]),
        st.booleans(),
        st.sampled_from(["a-1", "a-2"]),
    ),
    max_size=3,
    unique_by=lambda mail: mail.delivery_id,
)


@given(
    boxes=st.dictionaries(st.sampled_from(_KEYS), _MAILS),
    steps=st.lists(
        st.tuples(st.sampled_from(_KEYS), st.sampled_from(["a-1", "a-2"]), st.sampled_from(["opened", "withdrawn"])),
        max_size=4,
    ),
)
def test_it_makes_no_difference_when_a_row_is_erased(
    make_alert: MakeAlert, boxes: dict[bytes, list[Mail]], steps: list[tuple[bytes, str, str]]
) -> None:
    rows = {key: row(*mails) for key, mails in boxes.items()}
    oldest = NOW - DAYS * DAY
    erased = {key: found for key, found in rows.items() if not forgetting.is_forgotten(key, found, oldest)}
    records = [
        record_of(make_alert(alert_id=alert, action=action), f"e-{n}", key)
        for n, (key, alert, action) in enumerate(steps)
    ]
    before = forgetting.plan(records, PLANNER, rows, Sweep({}), DAYS)
    after = forgetting.plan(records, PLANNER, erased, Sweep({}), DAYS)

    assert before == after
