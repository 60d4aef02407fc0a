"""The steps of a silence at which a worker can be told to end (saboteur.py)."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from worker.flow import events
from worker.flow.batch import Output
from worker.flow.silences import road
from worker.notify.attempts import AttemptResult, Fate
from worker.notify.channels.email.channel import Email
from worker.notify.deliveries import SILENCED
from worker.notify.digest import Digest
from worker.notify.forwarded import HELD_KEY
from worker.notify.receiver_plan import Due
from worker.notify.receiver_planning import _ByPlans
from worker.notify.silenced import KnownSilences
from worker.roles import silences
from worker.roles.courier import Courier
from worker.roles.silence_changes import SilenceChanges
from worker.roles.silences import FollowedSilences

#: A command is decided, and nothing is written yet; the state of its silence is on the topic of the silences, and its
#: row is not written; the role `notify` has got the state, and does not know it yet.
DECIDED, WRITTEN, FOLLOWED = "silence_decided", "silence_written", "silence_followed"
#: The row of a notice in the outbox notes the silence; the notice is on its way to the plan of its receiver, and is
#: still open in the outbox; the plan has taken it in, and its rows are not written; the delivery log says that a notice
#: waits, and its row does not.
HELD = ("notice_marked", "notice_handed_over", "notice_gathered", "notice_deferred")
_MARKED, HANDED_OVER, _GATHERED, _DEFERRED = HELD
#: A plan is about to hear that a silence is over; it has heard that, and its row is not written; the digest of what was
#: held back is planned, and its rows are not written; the mail server has accepted it.
OVER = ("silence_end_due", "silence_end_planned", "silence_digest_planned", "silence_digest_accepted")
END_DUE, _END_PLANNED, _DIGEST_PLANNED, _DIGEST_ACCEPTED = OVER
STEPS = (DECIDED, WRITTEN, FOLLOWED, *HELD, *OVER)
#: The silences are about to be read: nothing is sent before they are known.
READ = "silences_read"

_SAYS_SILENCED = f'"{SILENCED}"'.encode()

Reach = Callable[[str], float]
Wrapper = Callable[[Any], Any]
Around = Callable[[Any, str, Wrapper], None]


def obey(reach: Reach, around: Around) -> None:
    """Have the steps reported, but for WRITTEN. `around` replaces a function by what its last argument makes of it."""
    around(road, "decide", _after(reach, DECIDED))
    around(FollowedSilences, "take", _before(reach, FOLLOWED))
    around(silences, "follow", _paused(reach, READ))
    around(Courier, "_write_down", _awaited(reach, _MARKED, _has_marked))
    around(Courier, "_send", _awaited(reach, HANDED_OVER, _hands_over))
    around(Courier, "_send", _awaited(reach, _DEFERRED, _defers))
    around(_ByPlans, "hold", _after(reach, _GATHERED))
    around(SilenceChanges, "_due", _after(reach, END_DUE, lambda due, *_: bool(due)))
    around(_ByPlans, "change_silence", _after(reach, _END_PLANNED))
    around(_ByPlans, "_close", _after(reach, _DIGEST_PLANNED, _is_of_silence))
    around(Email, "send", _awaited(reach, _DIGEST_ACCEPTED, _lists_held))


def tell_known(say: Callable[[str], None], around: Around) -> None:
    """Say which silences are known."""

    def wrapper(original: Any) -> Any:
        def called(self: KnownSilences, key: bytes, value: bytes | None) -> Any:
            changed = original(self, key, value)
            if (known := self.find(key.decode())) is not None:
                say(known_as(key.decode(), known.state.version))
            return changed

        return called

    around(KnownSilences, "take", wrapper)


def known_as(silence_id: str, version: int) -> str:
    """Return what a worker says that knows a version of a silence."""
    return f"the silence {silence_id} is known in version {version};"


def is_state(topic: str) -> bool:
    """Say whether a topic is that of the silences, by its full name."""
    return topic.endswith(f".{events.SILENCES}")


def _before(reach: Reach, step: str) -> Wrapper:
    def wrapper(original: Any) -> Any:
        def called(*args: Any) -> Any:
            reach(step)
            return original(*args)

        return called

    return wrapper


def _after(reach: Reach, step: str, concerns: Callable[..., bool] = lambda *_: True) -> Wrapper:
    """Report a step after calls of which `concerns` says so, given what was returned, and the arguments."""

    def wrapper(original: Any) -> Any:
        def called(*args: Any) -> Any:
            found = original(*args)
            if concerns(found, *args):
                reach(step)
            return found

        return called

    return wrapper


def _paused(reach: Reach, step: str) -> Wrapper:
    def wrapper(original: Any) -> Any:
        async def called(*args: Any) -> Any:
            await asyncio.sleep(reach(step))
            return await original(*args)

        return called

    return wrapper


def _awaited(reach: Reach, step: str, concerns: Callable[..., bool]) -> Wrapper:
    """Report a step after what is awaited, if `concerns` says so of the arguments."""

    def wrapper(original: Any) -> Any:
        async def called(*args: Any) -> Any:
            found = await original(*args)
            if concerns(*args):
                reach(step)
            return found

        return called

    return wrapper


def _has_marked(_: Courier, __: int, results: Mapping[Any, AttemptResult], *___: Any) -> bool:
    return any(one.silence is not None and one.silence.fate is Fate.MARK for one in results.values())


def _hands_over(_: Courier, lines: list[Output], __: int) -> bool:
    return any(line.topic == events.NOTICES and line.key == HELD_KEY for line in lines)


def _defers(_: Courier, lines: list[Output], __: int) -> bool:
    return any(line.topic == events.DELIVERIES and _SAYS_SILENCED in (line.value or b"") for line in lines)


def _lists_held(_: Email, content: Any, *__: Any) -> bool:
    return isinstance(content, Digest) and any(item.silence for item in content.items)


def _is_of_silence(_: Any, __: _ByPlans, ___: str, due: Due, *____: Any) -> bool:
    """Say whether a digest that is planned lists what a silence has held back."""
    return any(one.version for one in due.gathered)
