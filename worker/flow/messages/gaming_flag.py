"""The gaming flag: the message that promoters have risen in one segment alone (judging.py).

It is sent to the partition of the segment, where the scores are made.
"""

import msgspec

from worker.flow.batch import Output
from worker.flow.dead_letter import not_a_message
from worker.flow.events import TALLIES
from worker.nps.jump import Jump

#: The key of a flag. Tallies have no key.
KEY = b"hint"


class GamingFlag(msgspec.Struct, array_like=True, frozen=True):
    """Whether a segment is suspected of gaming."""

    path: str
    #: The jump that was found; None if the suspicion is over.
    jump: Jump | None


_encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder(GamingFlag).decode


def read(value: bytes | None) -> GamingFlag:
    """Decode a flag. Raise Rejected if the value is not a flag."""
    try:
        return decode(value or b"")
    except msgspec.DecodeError:
        raise not_a_message("hint") from None


def output(path: str, jump: Jump | None, partition: int) -> Output:
    """Return the message about a segment; `partition`: that of the segment."""
    return Output(TALLIES, KEY, _encode(GamingFlag(path, jump)), partition=partition)
