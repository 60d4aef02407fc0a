"""Signed links. Whoever has a link can do what it stands for, so a link is a secret of its receiver.

A link has an alert, the time of the step that the message with the link is about, and the name of the receiver. If it
is a step of the case and not of the alert, it also says how often the case had been opened. It has nothing about the
customer. What it does is a part of its path, and is signed too, since each action has a salt of its own. The time of
the signature is the time of the step and not of a clock, so equal input gives equal links.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any, NamedTuple

from itsdangerous import (
    BadData,
    SignatureExpired,
    TimestampSigner,
    URLSafeTimedSerializer,
    base64_decode,
    base64_encode,
)
from pydantic import SecretStr

from schemas.alert import Alert, AlertAction
from schemas.alert_command import CommandAction
from schemas.case import CaseState, CaseStep
from worker.flow.timestamps import DAY, to_ms

#: What a link can do.
ACTIONS = (CommandAction.ACKNOWLEDGE, CommandAction.RESOLVE)
#: What somebody still has to do in each state of a case.
_ACTIONS_IN: Mapping[str, tuple[CommandAction, ...]] = MappingProxyType(
    {CaseState.OPEN: ACTIONS, CaseState.ACKNOWLEDGED: (CommandAction.RESOLVE,)}
)
#: The longest token, in characters. Those that the worker makes are shorter.
_LONGEST = 4_000
#: How much earlier than Kafka's clock the clock of the role web may be, in ms. A link of the future does no harm.
_CLOCKS_DIFFER = DAY


class Link(NamedTuple):
    """What a link stands for."""

    action: CommandAction
    alert_id: str
    #: The Kafka time of the step of the alert or the case that the message is about, in ms.
    at: int
    #: The name of the receiver of the message.
    receiver: str
    #: How often the case had been opened, if the message is about a step of the case; None if it is about the alert.
    opening: int | None = None


class Refusal(StrEnum):
    """Why a token is no link."""

    #: The signature is right, but it is older than the setting web.link_days.
    EXPIRED = "expired"
    #: No key has made the signature: the token was changed or cut, or its key is not used any more.
    INVALID = "invalid"


@dataclass(frozen=True)
class Links:
    """Makes links and reads them."""

    #: The secret keys. The first one signs, all are accepted.
    keys: tuple[SecretStr, ...]
    #: How long a link can be used, in days.
    days: int
    #: The beginning of the links' addresses, without a slash at its end.
    base_url: str = ""

    def of(self, notice: Alert | CaseStep, receiver: str) -> Mapping[CommandAction, str]:
        """Return the address of each link in a message about an alert, or about a step of its case.

        There is none for what nobody has to do any more.
        """
        at, opening = to_ms(notice.occurred_at), None
        if isinstance(notice, CaseStep):
            opening, actions = notice.opening, _ACTIONS_IN.get(notice.state, ())
        else:
            actions = () if notice.action == AlertAction.WITHDRAWN else ACTIONS
        return {action: self.url(Link(action, notice.alert_id, at, receiver, opening)) for action in actions}

    def url(self, link: Link) -> str:
        """Return the address of a link."""
        return f"{self.base_url}/{link.action}/{self.token(link)}"

    def token(self, link: Link) -> str:
        """Return the signed part of a link's address."""
        payload = [link.alert_id, link.at, link.receiver, *([] if link.opening is None else [link.opening])]
        return str(self._serializer(link.action, link.at).dumps(payload))

    def read(self, action: CommandAction, token: str, now: int) -> Link | Refusal:
        """Return what a token stands for, or why it is no link. `now`: in ms."""
        if len(token) > _LONGEST or not token.isascii() or not _is_canonical(token):
            return Refusal.INVALID
        seconds = (self.days * DAY + _CLOCKS_DIFFER) // 1_000
        try:
            payload = self._serializer(action, now + _CLOCKS_DIFFER).loads(token, max_age=seconds)
        except SignatureExpired:
            return Refusal.EXPIRED
        except BadData:
            return Refusal.INVALID
        match payload:
            case [str(alert_id), int(at), str(receiver)]:
                return Link(action, alert_id, at, receiver)
            case [str(alert_id), int(at), str(receiver), int(opening)]:
                return Link(action, alert_id, at, receiver, opening)
            case _:  # another version has signed it
                return Refusal.INVALID

    def _serializer(self, action: CommandAction, moment: int) -> "_Serializer":
        return _Serializer(
            # itsdangerous signs with the last one.
            [key.get_secret_value() for key in reversed(self.keys)],
            salt=f"detractor-worker.link.{action}",
            signer=_Signer,
            signer_kwargs={
                "key_derivation": "hmac",
                "digest_method": hashlib.sha256,
                "moment": moment // 1_000,
            },
        )


class _Signer(TimestampSigner):
    """A signer whose present is given, in seconds since 1970."""

    def __init__(self, *args: Any, moment: int, **options: Any) -> None:
        super().__init__(*args, **options)
        self._moment = moment

    def get_timestamp(self) -> int:
        """Return the given time."""
        return self._moment


class _Serializer(URLSafeTimedSerializer):
    """A serializer that compresses nothing, since versions of zlib may compress in different ways."""

    def dump_payload(self, obj: Any) -> bytes:
        """Return the payload in base64."""
        return base64_encode(self.serializer.dumps(obj))


def _is_canonical(token: str) -> bool:
    """Say whether the signature is written as the worker writes it. Base64 has bits that decoders ignore."""
    signature = token.rpartition(".")[2]
    try:
        return base64_encode(base64_decode(signature)).decode() == signature
    except BadData:
        return False
