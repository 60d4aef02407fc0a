"""What every channel promises: the classes of failures, the delivery id, that no secret shows, and erasure."""

import logging
import traceback
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from notify.mailboxes import KEY, kept, line, record_of
from notify.rigs import NEVER_SHOWN, RIGS, Rig, Server, What, certificate, server_of

from schemas.alert import Alert, Severity
from worker.errors import DeliveryError
from worker.flow.policy import IntakePolicy
from worker.notify import mailbox, planning
from worker.notify.digest import Digest, Item
from worker.notify.planning import Planner
from worker.routing.flat import FlatRoute, flat_routing

MakeAlert = Callable[..., Alert]
CHANNELS = pytest.mark.parametrize("channel", RIGS)

#: It is long enough for every answer that comes, and short enough to wait for one that never does.
SHORT = 0.5


@pytest.fixture
async def server(channel: str) -> AsyncIterator[Server]:
    async with server_of(channel) as found:
        yield found


@pytest.fixture
async def rig(channel: str, server: Server) -> AsyncIterator[Rig]:
    made = RIGS[channel](server.port)
    yield made
    await made.channel.aclose()


async def refusal(rig: Rig, notice: Alert | Digest) -> DeliveryError:
    """Send a notice, which is not accepted; return the error."""
    with pytest.raises(DeliveryError) as refused:
        await rig.send(notice)
    return refused.value


@CHANNELS
async def test_a_notice_is_accepted_under_its_delivery_id_at_each_attempt(
    rig: Rig, server: Server, make_alert: MakeAlert
) -> None:
    await rig.send(make_alert(), "d-7")
    await rig.send(make_alert(), "d-7")
    await rig.send(make_alert(), "d-8")

    assert server.accepted == ["d-7", "d-7", "d-8"]
    assert rig.begun == 3


def digest_of(make_alert: MakeAlert, count: int) -> Digest:
    """Return a digest of critical alerts and warnings, of a customer each."""
    severities = [Severity.CRITICAL if number < 3 else Severity.WARNING for number in range(count)]
    alerts = [
        make_alert(alert_id=f"a-{number}", customer_id=f"c-{number}", severity=severity)
        for number, severity in enumerate(severities)
    ]
    return Digest("d-9", 0, [Item(alert, sent_id=f"d-9-{number}") for number, alert in enumerate(alerts)])


@CHANNELS
async def test_a_digest_is_one_post_under_its_delivery_id_at_each_attempt(
    rig: Rig, server: Server, make_alert: MakeAlert
) -> None:
    digest = digest_of(make_alert, 1_000)
    first, again = await rig.send(digest, "d-9"), await rig.send(digest, "d-9")

    assert server.accepted == ["d-9", "d-9"]
    assert rig.begun == 2
    assert first == again
    if rig.is_for("chat"):
        assert first is not None
        assert 3 < first < 1_000, "the critical ones are shown, and the rest is counted"
    else:
        assert first is None, "all notices are listed"


@CHANNELS
async def test_a_digest_is_refused_like_any_notice(rig: Rig, server: Server, make_alert: MakeAlert) -> None:
    server.does = What.LATER
    error = await refusal(rig, digest_of(make_alert, 5))

    assert (error.retry, error.unavailable, error.unsure, error.alarm) == (True, False, False, False)


@CHANNELS
async def test_a_notice_that_is_refused_for_now_is_tried_again(rig: Rig, server: Server, make_alert: MakeAlert) -> None:
    server.does = What.LATER
    error = await refusal(rig, make_alert())

    assert (error.retry, error.unavailable, error.unsure, error.alarm) == (True, False, False, False)
    assert rig.begun == 1, "the server has answered about the notice, so it can be used"


@CHANNELS
async def test_a_notice_that_is_refused_for_good_is_not(rig: Rig, server: Server, make_alert: MakeAlert) -> None:
    server.does = What.NEVER
    error = await refusal(rig, make_alert())

    assert (error.retry, error.unavailable, error.unsure, error.alarm) == (False, False, False, True)


@CHANNELS
async def test_a_server_that_is_busy_is_unavailable_which_is_no_fault_of_the_notice(
    rig: Rig, server: Server, make_alert: MakeAlert
) -> None:
    server.does = What.BUSY
    error = await refusal(rig, make_alert())

    assert (error.retry, error.unavailable, error.unsure) == (True, True, False)
    assert rig.begun == 0

    server.does = What.ACCEPT
    await rig.send(make_alert(), "d-9")
    assert server.accepted == ["d-9"]


@CHANNELS
async def test_a_server_that_is_away_is_unavailable(channel: str, unused_tcp_port: int, make_alert: MakeAlert) -> None:
    rig = RIGS[channel](unused_tcp_port)
    error = await refusal(rig, make_alert())
    await rig.channel.aclose()

    assert (error.reason, error.retry, error.unavailable, error.alarm) == ("refused", True, True, False)


@CHANNELS
@pytest.mark.parametrize("does", [What.HANG_UP, What.SILENT])
async def test_without_an_answer_to_the_whole_notice_it_may_have_been_accepted(
    channel: str, does: What, server: Server, make_alert: MakeAlert
) -> None:
    rig = RIGS[channel](server.port, seconds=SHORT)
    server.does = does
    error = await refusal(rig, make_alert())
    await rig.channel.aclose()

    assert (error.retry, error.unavailable, error.unsure) == (True, False, True)
    assert error.reason == ("disconnected" if does is What.HANG_UP else "timeout")


@CHANNELS
async def test_with_tls_the_notice_reaches_a_server_whose_authority_is_trusted(
    channel: str, tmp_path: Path, make_alert: MakeAlert
) -> None:
    tls, cafile = certificate(tmp_path)
    async with server_of(channel, tls) as server:
        rig = RIGS[channel](server.port, cafile=cafile)
        await rig.send(make_alert(), "d-7")
        await rig.channel.aclose()

        assert server.accepted == ["d-7"]


@CHANNELS
@pytest.mark.parametrize("fault", ["another name", "another authority"])
async def test_a_server_that_is_not_the_right_one_gets_nothing(
    channel: str, fault: str, tmp_path: Path, make_alert: MakeAlert
) -> None:
    tls, cafile = certificate(tmp_path, "elsewhere.example" if fault == "another name" else "127.0.0.1")
    if fault == "another authority":
        _, cafile = certificate(tmp_path)
    async with server_of(channel, tls) as server:
        rig = RIGS[channel](server.port, cafile=cafile)
        error = await refusal(rig, make_alert())
        await rig.channel.aclose()

        assert (error.reason, error.unavailable, error.alarm) == ("tls_failed", True, True)
        assert server.accepted == []


@CHANNELS
@pytest.mark.parametrize("does", [What.LATER, What.NEVER, What.BUSY, What.HANG_UP, What.SILENT, "away", "tls"])
async def test_no_address_and_no_secret_is_shown(
    channel: str,
    does: What | str,
    server: Server,
    tmp_path: Path,
    unused_tcp_port: int,
    make_alert: MakeAlert,
    caplog: pytest.LogCaptureFixture,
) -> None:
    port = unused_tcp_port if does == "away" else server.port
    rig = RIGS[channel](port, seconds=SHORT, cafile=certificate(tmp_path)[1] if does == "tls" else None)
    if isinstance(does, What):
        server.does = does
    with caplog.at_level(logging.DEBUG):
        error = await refusal(rig, make_alert())
        await rig.channel.aclose()

    # What servers and libraries say may quote an address, now or in their next version.
    assert error.__cause__ is None
    assert error.__context__ is None or error.__suppress_context__
    # The servers of the tests have logs too.
    logged = [record.getMessage() for record in caplog.records if record.name not in {"mail.log", "aiohttp.access"}]
    told = [str(error), repr(error), error.hint, *traceback.format_exception(error), *logged, repr(vars(rig.channel))]
    assert not [(hidden, text) for hidden in NEVER_SHOWN for text in told if hidden in text]


@CHANNELS
async def test_every_failure_has_a_stable_reason_and_says_which_setting_to_check(
    channel: str, server: Server, unused_tcp_port: int, make_alert: MakeAlert
) -> None:
    rig = RIGS[channel](unused_tcp_port)
    error = await refusal(rig, make_alert())
    await rig.channel.aclose()

    key = {"email": "smtp.host", "webhook": "webhook.endpoints.crm", "chat": "chat.endpoints.care"}[channel]
    assert key in error.hint
    assert error.reason.replace("_", "").isalnum()


@CHANNELS
def test_a_server_that_is_out_holds_back_no_other_server_of_its_channel(channel: str) -> None:
    rig = RIGS[channel](1)
    names = {rig.channel.server_of(name) for name in ("crm", "care", "desk", "removed")}

    # A channel with one server has one outage; an endpoint of a webhook or a chat has its own, and so has what waits
    # for endpoints that were removed.
    assert names == {"email": {""}, "webhook": {"crm", ""}, "chat": {"care", ""}}[channel]


@CHANNELS
def test_the_erasure_of_a_customer_erases_what_waits_and_only_a_webhook_says_so(
    channel: str, make_alert: MakeAlert
) -> None:
    routes = [
        FlatRoute(name="first", to=["first@example.org"], then_continue=True),
        FlatRoute(name="last", to=["last@example.org"]),
    ]
    planner = Planner(
        channel, flat_routing(routes, channel), ["opened"], IntakePolicy(), reports_erasures=channel == "webhook"
    )
    opened = record_of(make_alert())
    planned = kept(planning.plan([opened], planner, lambda _: None))
    assert any(KEY in key for key in planned)

    null = opened._replace(value=None, headers=[], offset=opened.offset + 1)
    erased = planning.plan([null], planner, planned.get)

    assert {key for key, row in erased.rows.items() if row is None} == planned.keys()
    left = kept(erased)
    reported = {(line(output)["route"], line(output)["reason"]) for output in erased.outputs}
    if channel == "webhook":
        assert reported == {("first", "planned"), ("last", "planned")}
        assert all(mailbox.is_erasure(key) and b"Dupont" not in row for key, row in left.items())
    else:
        assert (left, reported) == ({}, set())
