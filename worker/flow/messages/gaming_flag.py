"""The gaming flag of a segment, sent to where its scores are made: promoters have risen in it alone (judging.py)."""

import msgspec

from worker.flow.batch import Output
from worker.flow.dead_letter import no_message
from worker.flow.events import TALLIES
from worker.nps.jump import Jump

#: The key of a flag; tallies have none.
KEY = b"hint"


class GamingFlag(msgspec.Struct, array_like=True, frozen=True):
    """Whether a segment is suspected of gaming."""

    path: str
    #: What was found; None if the suspicion is over.
    jump: Jump | None


_encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder(GamingFlag).decode


def read(value: bytes | None) -> GamingFlag:
    """Return the flag that a value is. Raise Rejected if it is not one."""
    try:
        return decode(value or b"")
    except msgspec.DecodeError:
        raise no_message("hint") from None


def output(path: str, jump: Jump | None, partition: int) -> Output:
    """Return the message for a segment, in the partition that it is in."""
    return Output(TALLIES, KEY, _encode(GamingFlag(path, jump)), partition=partition)
