"""Worlds in which alerts are followed until somebody acts: receivers of several kinds, a webhook, and time limits.

What has to come of it is said here once more, by none of the worker's code: who gets which alert, and when a case has
to be acknowledged.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from chaos import invariants, notified, silenced, time_limits
from chaos.endpoints import HANDS as HANDS_OF_WEBHOOKS
from chaos.endpoints import Endpoints, endpoints
from chaos.notified import Delivered, Notified, Receivers, Step, Target
from chaos.received_mails import ReceivedMail
from chaos.silence_steps import known_as
from chaos.silenced import Published, Silence
from chaos.time_limits import Level
from chaos.world import HANDS, NotHealed, Worker, World, patience
from integration.reading import read_topic

from worker.embedded.inbox import Inbox, Mail
from worker.flow.cases.service import ServiceLevels
from worker.notify.deliveries import HANDED_OVER
from worker.routing.service_level import ServiceLevel

if TYPE_CHECKING:
    from chaos.fault_context import FaultContext
    from chaos.invariants import Allowed, Event, Found, Verdict

_ADDRESSES = {name: f"{name}@example.com" for name in ("desk", "team", "night", "lead", "director")}
_EMAIL, _WEBHOOK = "email", "webhook"
#: How many notices a worker may have been sending when it heard of a silence. It has two couriers for mails.
_IN_FLIGHT = {_EMAIL: 2 * HANDS, _WEBHOOK: HANDS_OF_WEBHOOKS}
#: Where nobody works now, and where cases have time limits.
_NIGHT, _TIMED = "uk/c", "fr"
#: Reminders are 2, 8 and 14 s after the opening, the first one unless the case is acknowledged; the steps of the
#: escalation are after 8 and 10 s.
_FAST = Level(8_000, 6_000, ((0, ("lead",)), (2_000, ("director", "crm"))), 14_000)
_LOOK_SECONDS = 0.5
#: How many notices that are not settled are named.
_NAMED = 3


class ClosedLoop:
    """The settings of such a world, and what has to come of them. With `timed`, cases have time limits."""

    def __init__(self, posts: Endpoints, *, timed: bool) -> None:
        self.endpoints = posts
        self._crm = Target(_WEBHOOK, posts.names[0])
        self.levels: Mapping[str, Level] = {"fast": _FAST} if timed else {}
        self.service = ServiceLevels({name: setting(level) for name, level in self.levels.items()})
        names = [*_ADDRESSES] if timed else ["desk", "team", "night"]
        self.receivers = Receivers(
            of_alert=self._of_alert,
            addresses={name: _ADDRESSES[name] for name in names},
            on={**{name: [Target(_EMAIL, name)] for name in names}, "crm": [self._crm]},
        )
        #: The silences that somebody has asked for, and the ids of the commands about them.
        self.silences: list[Silence] = []
        self._silence_commands: set[str] = set()
        #: When each mail has come, in ms.
        self._mailed_at: list[int] = []

    def note_mail(self, _: Mail) -> None:
        """Note that a mail has come."""
        self._mailed_at.append(now())

    async def silence(
        self, world: World, segment: str, seconds: float, key: bytes | None = None
    ) -> tuple[Silence, tuple[bytes, bytes]]:
        """Add a silence that lasts so long; return it, and the command. `key`: the key of the command's record."""
        silence = Silence(f"strike-{len(self.silences)}", segment, now() + int(seconds * 1_000))
        self.silences.append(silence)
        command = silence.add()
        await self.command(world, command, key)
        return silence, command

    async def command(self, world: World, command: tuple[bytes, bytes], key: bytes | None = None) -> None:
        """Give a command about a silence."""
        self._silence_commands.add(json.loads(command[1])["command_id"])
        await world.send("silence-commands", [(key or command[0], command[1])])

    def _of_alert(self, alert: Mapping[str, Any]) -> Collection[Target]:
        if _is_within(alert["segment"], _NIGHT):
            return [Target(_EMAIL, "night"), Target(_EMAIL, "desk")]
        return [Target(_EMAIL, "desk"), Target(_EMAIL, "team"), self._crm]

    @property
    def env(self) -> dict[str, str]:
        """The variables of the worker's settings."""
        receivers: dict[str, Any] = {name: {"email": [one]} for name, one in self.receivers.addresses.items()}
        receivers["team"] |= {"group_wait_seconds": 0.3, "group_interval_seconds": 1, "critical_per_hour": 1_000}
        receivers["night"] |= {"calendar": "elsewhere"}
        receivers["crm"] = {"webhook": self._crm.receiver}
        night = {"name": "night", "segment": _NIGHT, "receivers": ["night", "desk"]}
        timed = {"name": "timed", "segment": _TIMED, "service_level": "fast"}
        route = {"receivers": ["desk", "team", "crm"], "routes": [night, *([timed] if self.levels else [])]}
        hour = (datetime.now(UTC).hour + 12) % 24
        calendar = {"time_zone": "UTC", "hours": [f"mon-sun {hour:02}:00-{hour:02}:30"]}
        levels = {name: level.model_dump(exclude_unset=True) for name, level in self.service.levels.items()}
        return {
            **self.endpoints.env,
            "NPS_EMAIL__TO": "",
            "NPS_EMAIL__RETRY__FIRST_SECONDS": "0.5",
            "NPS_EMAIL__RETRY__LONGEST_SECONDS": "1",
            "NPS_RECEIVERS": json.dumps(receivers),
            "NPS_CALENDARS": json.dumps({"elsewhere": calendar}),
            "NPS_ROUTE": json.dumps(route),
            **({"NPS_SERVICE_LEVELS": json.dumps(levels)} if levels else {}),
        }

    async def settled(self, world: World) -> None:
        """Wait until no time limit can make anything happen any more, and every notice is settled or may wait."""
        await world.committed()
        async with patience("the time limits to pass"):
            while await self._waits_for_time(world):  # noqa: ASYNC110 - Kafka raises no event
                await asyncio.sleep(_LOOK_SECONDS)
        await world.committed()
        still: list[str] = []
        try:
            async with asyncio.timeout(max(worker.patience for worker in world.workers)):
                while still := await self._open(world):  # noqa: ASYNC110 - likewise
                    await asyncio.sleep(_LOOK_SECONDS)
        except TimeoutError:
            named = "; ".join(still[:_NAMED])
            raise NotHealed(f"waited in vain for {len(still)} notices to be settled: {named}") from None

    async def known(self, worker: Worker, silence: Silence) -> None:
        """Wait until a worker that sends knows the newest version of a silence, and note when that is."""
        async with patience(f"{silence.silence_id} to be known"):
            await worker.process.said(known_as(silence.silence_id, silence.version))
        if silence.over_at > now():
            silence.known_at = now()
        else:
            silence.end_known_at = now()

    async def published(self, world: World, silence: Silence) -> None:
        """Wait until the newest state of a silence is on its topic."""
        newest = silence.silence_id, silence.version
        async with patience(f"the state of {silence.silence_id}"):
            while newest not in await _states(world):  # noqa: ASYNC110 - Kafka raises no event
                await asyncio.sleep(_LOOK_SECONDS)

    async def _waits_for_time(self, world: World) -> bool:
        if not self.levels:
            return False
        log = await read_topic(world.kafka, f"{world.name}.cases")
        answers = await world.events("alert-command-results")
        return bool(time_limits.recount(log, invariants.outcomes(answers), self.levels).waiting)

    async def _open(self, world: World) -> list[str]:
        alerts, log = await world.events("alerts"), await world.events("deliveries")
        mails = await asyncio.to_thread(world.received_mails.all)
        found = self._recounted(alerts, log, self._came(mails), ())
        return found.wrong if found.open else []

    def _came(self, mails: Collection[ReceivedMail], again: Collection[tuple[str, str]] = ()) -> Delivered:
        posts = self.endpoints
        return Delivered(mails, posts.accepted, again, posts.digests, posts.digest_of)

    def _recounted(
        self, alerts: "list[Event]", log: "list[Event]", came: Delivered, erased: Collection[str]
    ) -> Notified:
        steps = [Step(event.id, event.body) for event in alerts]
        active = [silence.waits_for for silence in self.silences if silence.over_at > now()]
        receivers = replace(self.receivers, may_wait=[*self.receivers.may_wait, *active])
        return notified.recount(steps, lines(log), came, receivers, erased)

    def _silenced(self, found: "Found", erased: Collection[str]) -> silenced.Recounted:
        first: dict[str, Published] = {}
        for event in sorted(found.events["alerts"], key=lambda event: event.at):
            first.setdefault(event.id, Published(Step(event.id, event.body), event.at))
        mails = zip(found.received, self._mailed_at, strict=False)
        came = silenced.came(mails, self.endpoints.arrived, self.receivers)
        log = found.events["deliveries"]
        return silenced.recount([*first.values()], lines(log), came, self.silences, self.receivers, erased)

    def check(self, verdict: "Verdict", found: "Found", allowed: "Allowed", erased: Collection[str]) -> None:
        """Note what is wrong with what has come, and with what the delivery log says about it."""
        quiet = self._silenced(found, erased)
        came = self._came(found.received, quiet.again)
        notices = self._recounted(found.events["alerts"], found.events["deliveries"], came, erased)
        verdict.wrong += notices.wrong + quiet.wrong + self._wrong_states(found)
        # A worker has two couriers for mails. It has two for the webhook, too, one of which has only erasures and what
        # silences have held back.
        for what, count, most in (
            *((what, count, allowed.ambiguous) for what, count in notices.doubtful.items()),
            ("I9 copies of mails", len(found.received) - len(came.copies), 2 * allowed.ambiguous),
            *(
                (f"I9 copies of events to {name}", sum(times.values()) - len(times), allowed.ambiguous)
                for name, times in self.endpoints.accepted.items()
            ),
            *(
                (f"I10 what came on {name} of what silences hold back", count, len(self.silences) * _IN_FLIGHT[name])
                for name, count in quiet.in_flight.items()
            ),
        ):
            if count > most:
                verdict.wrong.append(f"{what}: {count}, {most} explained")
        verdict.figures |= {f"notices {condition}": count for condition, count in notices.conditions.items()}
        verdict.figures["notices held back"] = quiet.held

    def _wrong_states(self, found: "Found") -> list[str]:
        states = [(event.body["silence_id"], event.value) for event in found.events["silences"]]
        answers = [event.body for event in found.events["silence-command-results"]]
        rows = found.tables["silences"].rows
        return silenced.wrong_states(states, answers, rows, self.silences, self._silence_commands)


def lines(log: "Iterable[Event]") -> list[Mapping[str, Any]]:
    """Return the lines of the delivery log in the order in which they came.

    Those of one notice are in two partitions if the outbox has handed it over to the plan of its receiver. The line
    that says so is left out: after a crash it may come again, and later than what the plan has said meanwhile.
    """
    came = sorted(log, key=lambda event: event.at)
    return [event.body for event in came if event.body["reason"] != HANDED_OVER]


async def _states(world: World) -> set[tuple[str, int]]:
    return {(event.body["silence_id"], event.body["version"]) for event in await world.events("silences")}


def now() -> int:
    """Return the time, in ms, as the workers and the broker have it."""
    return int(time.time() * 1_000)


def _is_within(segment: str, path: str) -> bool:
    return f"{segment}/".startswith(f"{path}/")


def setting(level: Level) -> ServiceLevel:
    """Return a service level as the settings of the worker have it."""
    minute = 60_000
    return ServiceLevel.model_validate(
        {
            "acknowledge_within_minutes": level.acknowledge / minute,
            "remind_before_minutes": level.remind_before / minute,
            "resolve_within_hours": level.resolve / (60 * minute),
            "escalation": [
                {"receivers": [*receivers], "after_minutes": delay / minute} for delay, receivers in level.escalation
            ],
        }
    )


@asynccontextmanager
async def world(
    context: "FaultContext", name: str = "", *, timed: bool = False, **options: Any
) -> AsyncIterator[World]:
    """Make such a world."""
    async with endpoints(1) as posts:
        loop = ClosedLoop(posts, timed=timed)
        inbox = Inbox(on_mail=loop.note_mail)
        async with context.world(name, loop=loop, inbox=inbox, **{**loop.env, **options}) as made:
            yield made
