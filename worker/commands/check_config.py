"""`check-config` shows the settings, or what is wrong with which of them; and whether they work."""

import argparse
import asyncio
import os
import sys
import uuid
from collections.abc import Awaitable, Iterator, Sequence
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import TYPE_CHECKING

from aiokafka.errors import KafkaError

from worker.address import check_address
from worker.commands import common
from worker.commands.common import SETTINGS_HELP, Commands, Exit, with_settings
from worker.errors import DeliveryError, Fatal, Unreachable
from worker.kafka import topics
from worker.logs import counted
from worker.notify.channels.chat.settings import ChatSettings
from worker.notify.channels.email import headers
from worker.notify.channels.email.mail import Mail, text_part
from worker.notify.channels.email.smtp import EmailChannel
from worker.notify.channels.webhook.settings import WebhookSettings
from worker.routing.bundling import Bundling, bundling_of
from worker.settings import Settings, source
from worker.tracing.problems import problems

if TYPE_CHECKING:
    from worker.notify.posting import Poster


def add(commands: Commands) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "check-config",
        help="check the settings and print the most important ones",
        description="Checks the settings and prints the most important ones. With --connect, the command also tries to "
        "use Kafka, its topics, the mail server with its login, and the servers of all endpoints. It creates nothing, "
        "posts nothing without --send-test-event, and sends no mail without --send-test-mail.",
        epilog=SETTINGS_HELP,
    )
    parser.add_argument(
        "--connect", action="store_true", help="also try to use Kafka, the mail server and the endpoints"
    )
    parser.add_argument(
        "--send-test-mail",
        type=_address,
        metavar="ADDRESS",
        help="send a mail to this address, in the way in which alerts are sent, and say whether the server accepts it",
    )
    parser.add_argument(
        "--send-test-event",
        type=common.name,
        metavar="RECEIVER",
        help="post to the endpoints of this receiver, or to the endpoints with this name, and say whether they accept "
        "it: a webhook gets the event nps.ping.v1, and a chat a message which says that it is a test",
    )
    parser.set_defaults(run=with_settings(_check))


def _address(text: str) -> str:
    try:
        return check_address(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text} is not a plain mail address") from None


def _check(args: argparse.Namespace, settings: Settings) -> int:
    print(_summary(settings))
    receive = settings.receive
    wrong = [
        *settings.vain_receivers(),
        *receive.api_problems,
        *receive.weaknesses(),
        *problems(settings.tracing, os.environ),
    ]
    for line in wrong:
        print(line, file=sys.stderr)
    if wrong:
        return Exit.WRONG
    tested = _tested(settings, args.send_test_event)
    if args.send_test_event and not tested:
        print(f"no receiver with an endpoint, and no endpoint, is called {args.send_test_event}", file=sys.stderr)
        return Exit.WRONG
    print(f"settings are fine{_left_out(settings)}")
    tried = [
        *(
            [
                asyncio.run(_kafka(settings)),
                asyncio.run(mail_server_works(settings)),
                *asyncio.run(_endpoints(settings)),
            ]
            if args.connect
            else []
        ),
        *([asyncio.run(_test_mail(settings, args.send_test_mail))] if args.send_test_mail else []),
        *(asyncio.run(_test_events(settings, tested)) if tested else []),
    ]
    return Exit.FINE if all(tried) else Exit.FAILED


def _summary(settings: Settings) -> str:
    kafka, smtp = settings.kafka, settings.smtp
    return "\n".join(
        [
            f"file     {source()}",
            f"kafka    {kafka.bootstrap_servers} ({kafka.security_protocol}), group {kafka.group}",
            f"topics   {settings.topic_prefix}.*",
            f"mail     {smtp.host}:{smtp.port} (tls: {smtp.tls}), from {settings.email.sender}",
            _drops(settings),
            *_links(settings),
            *_page(settings),
            *(_tree(settings) if settings.receivers else _flat(settings)),
            *(
                f"webhook  {name}: {endpoint.host}, {counted(len(endpoint.secrets), 'secret')}, "
                f"posts {', '.join(settings.webhook.actions)}{_caps_of_posts(settings.webhook)}"
                for name, endpoint in settings.webhook.endpoints.items()
            ),
            *(
                f"chat     {name}: {endpoint.format}, posts {', '.join(settings.chat.actions)}"
                f"{_caps_of_posts(settings.chat)}"
                for name, endpoint in settings.chat.endpoints.items()
            ),
            *(
                f"source   {source.name}: {source.of_tool.title}, {source.path}, {source.signing.scheme}, "
                f"{counted(len(source.secrets), 'secret')}"
                for source in settings.receive.sources
            ),
            *(
                f"topic    {one.name}: {one.of_tool.title}, {one.topic}, unwrap {one.unwrap}"
                for one in settings.receive.topics
            ),
        ]
    )


def _drops(settings: Settings) -> str:
    policy = settings.incidents
    return (
        f"drops    of {policy.least_points:g} points and more, {policy.false_alarms_per_year:g} false alarms a year, "
        f"{policy.rest_hours} h of rest"
    )


def _links(settings: Settings) -> Iterator[str]:
    web = settings.web
    if web.base_url is not None:
        yield f"links    {web.base_url}, {counted(len(web.keys), 'key')}, for {counted(web.link_days, 'day')}"


def _page(settings: Settings) -> Iterator[str]:
    """Yield how people log in on the page. Without a login, there is nothing to check."""
    auth = settings.web.auth
    if auth.is_set:
        ways = [
            *([counted(len(auth.users), "user")] if auth.users else []),
            *([f"OpenID Connect by {auth.oidc.issuer}"] if auth.oidc.issuer is not None else []),
            *([f"the header {auth.header.user} of a proxy"] if auth.header.user is not None else []),
        ]
        yield f"page     {settings.web.base_url}, login by {' and '.join(ways)}"


def _flat(settings: Settings) -> Iterator[str]:
    bundling = bundling_of(settings.email, settings.email.mails_per_hour)
    caps = "" if bundling is None else f"; {_caps(bundling)}"
    for route in settings.email.all_routes():
        yield (
            f"route    {route.name}: {route.segment or 'every segment'}, "
            f"{' or '.join(route.kinds) + ', ' if route.kinds else ''}{route.min_severity} and up, "
            f"{counted(len(route.to), 'receiver')}{caps}"
        )


def _tree(settings: Settings) -> Iterator[str]:
    for name, receiver in settings.receivers.items():
        calendar = f", calendar {receiver.calendar}" if receiver.calendar else ""
        mails = receiver.bundling if receiver.email else None
        posts = receiver.bundling_of_posts if receiver.webhook or receiver.chat else None
        caps = "".join(
            f"; {_caps(bundling, what)}"
            for bundling, what in ((mails, "mail"), (posts, "post"))
            if bundling is not None
        )
        places = [
            *([counted(len(receiver.email), "mail address", "mail addresses")] if receiver.email else []),
            *([f"webhook {receiver.webhook}"] if receiver.webhook else []),
            *([f"chat {receiver.chat}"] if receiver.chat else []),
        ]
        yield f"receiver {name}: {', '.join(places)}{calendar}{caps}"
    for name, level in settings.service_levels.items():
        minutes, hours = level.acknowledge_within_minutes, level.resolve_within_hours
        limits = [
            *([] if minutes is None else [f"acknowledge within {minutes:g} min"]),
            *([] if hours is None else [f"resolve within {hours:g} h"]),
        ]
        steps = counted(len(level.escalation), "step")
        yield f"level    {name}: {', '.join(limits)}{f', {steps} of escalation' if level.escalation else ''}"
    for route in settings.routing.root.all():
        asked = ", ".join(f"{key} {getattr(route.matchers, key)}" for key in route.matchers.set_keys)
        owner = ["the account owner"] if route.to_owner else []
        receivers = " or else ".join([*owner, *([", ".join(route.receivers)] if route.receivers else [])])
        service = f", service level {route.service_level}" if route.service_level else ""
        yield f"route    {route.name}: {asked or 'everything'}: {receivers or 'nobody'}{service}"


def _caps(bundling: Bundling, what: str = "mail") -> str:
    """Return how the mails of a receiver are bundled, or what is posted to it, in words."""
    most, wait = bundling.mails_per_hour, f"after {bundling.group_wait / 1_000:g} s"
    parts = [
        "no cap" if most is None else f"at most {counted(most, what)} an hour",
        f"at most {bundling.critical_per_hour} an hour about one critical notice each",
        *([f"grouped by {' and '.join(bundling.group_by) or 'receiver'} {wait}"] if bundling.groups else []),
        f"digests after {bundling.group_interval / 1_000:g} s",
    ]
    return ", ".join(parts)


def _caps_of_posts(section: WebhookSettings | ChatSettings) -> str:
    """Return how what is posted to each endpoint of a channel is bundled, if there are no receivers."""
    bundling = bundling_of(section, section.notices_per_hour)
    return "" if bundling is None else f"; {_caps(bundling, 'post')}"


def _left_out(settings: Settings) -> str:
    """Return what the worker will not do with these settings, although a user may expect it."""
    has_no_url = settings.invitations.platform.url is None
    return "; nobody will be invited, since invitations.platform.url is not set" if has_no_url else ""


async def _kafka(settings: Settings) -> bool:
    """Say whether Kafka lets the worker in, and whether its topics fit."""
    try:
        absent = await topics.missing(settings)
    except (Unreachable, Fatal) as error:
        return _said("kafka", f"failed: {error}", fine=False)
    except KafkaError as error:
        return _said("kafka", f"failed: {type(error).__name__} (kafka.bootstrap_servers)", fine=False)
    still = (
        f"; the worker will create {counted(len(absent), 'topic')} when it starts"
        if absent
        else "; all topics exist and are configured correctly"
    )
    return _said("kafka", f"ok: it lets the worker in{still}", fine=True)


async def mail_server_works(settings: Settings) -> bool:
    """Print whether the mail server can be used, with the login if there is one; return whether it can."""
    channel = EmailChannel(settings.smtp)
    try:
        await channel.check()
    except DeliveryError as error:
        return _said("mail", f"failed: {error.reason}: {error.hint}", fine=False)
    login = " and takes the login" if settings.smtp.username else ""
    return _said("mail", f"ok: the server answers{login}", fine=True)


async def _endpoints(settings: Settings) -> list[bool]:
    """Say for each endpoint whether its server can be reached."""
    # aiohttp takes a while to import, and other commands do without it.
    from worker.notify.posting import posters  # noqa: PLC0415

    found = {
        "webhook": posters("webhook", settings.webhook.endpoints, settings.webhook),
        "chat": posters("chat", settings.chat.endpoints, settings.chat),
    }
    return [
        await _endpoint(channel, name, poster)
        for channel, endpoints in found.items()
        for name, poster in endpoints.items()
    ]


async def _endpoint(channel: str, name: str, poster: "Poster") -> bool:
    try:
        await poster.check()
    except DeliveryError as error:
        return _said(channel, f"failed: {error.reason}: {error.hint}", fine=False)
    return _said(channel, f"ok: the server of {name} can be reached", fine=True)


def _tested(settings: Settings, name: str | None) -> list[tuple[str, str]]:
    """Return the endpoints, each with its channel, of a receiver with this name; or else those with this name."""
    if name is None:
        return []
    receiver = settings.receivers.get(name)
    named = (
        {"webhook": name, "chat": name} if receiver is None else {"webhook": receiver.webhook, "chat": receiver.chat}
    )
    known = {"webhook": settings.webhook.endpoints.keys(), "chat": settings.chat.endpoints.keys()}
    return [(channel, name) for channel, name in named.items() if name is not None and name in known[channel]]


async def _test_events(settings: Settings, tested: Sequence[tuple[str, str]]) -> list[bool]:
    # aiohttp takes a while to import, and other commands do without it.
    from worker.notify.channels.chat.channel import Chat  # noqa: PLC0415
    from worker.notify.channels.webhook.channel import Webhook  # noqa: PLC0415

    channels: dict[str, Webhook | Chat] = {"webhook": Webhook(settings.webhook), "chat": Chat(settings.chat)}
    try:
        return [await _test_event(channel, name, channels[channel].ping(name)) for channel, name in tested]
    finally:
        for one in channels.values():
            await one.aclose()


async def _test_event(channel: str, name: str, ping: Awaitable[None]) -> bool:
    try:
        await ping
    except DeliveryError as error:
        return _said(channel, f"failed: {error.reason}: {error.hint}", fine=False)
    return _said(channel, f"ok: {name} has accepted a test", fine=True)


async def _test_mail(settings: Settings, receiver: str) -> bool:
    letterhead = settings.email.letterhead
    head = [
        headers.addresses("From", [(letterhead.sender_name, letterhead.sender)]),
        headers.addresses("To", [("", receiver)]),
        headers.text("Subject", "Test mail of the detractor alerting worker"),
        headers.plain("Date", format_datetime(datetime.now(UTC))),
        headers.plain("Message-ID", f"<{uuid.uuid4()}@{letterhead.domain}>"),
        headers.plain("Auto-Submitted", "auto-generated"),
        headers.plain("MIME-Version", "1.0"),
    ]
    body = text_part("This mail shows that alerts can be sent. No customer is unhappy.")
    mail = Mail(letterhead.sender, [receiver], "".join(head).encode("ascii") + body)
    channel = EmailChannel(settings.smtp)
    try:
        await channel.send(mail)
    except DeliveryError as error:
        return _said("mail", f"failed: {error.reason}{': ' if error.hint else ''}{error.hint}", fine=False)
    finally:
        await channel.aclose()
    return _said("mail", f"ok: the server has accepted a test mail to {receiver}", fine=True)


def _said(what: str, text: str, *, fine: bool) -> bool:
    print(f"{what:<8} {text}")
    return fine
