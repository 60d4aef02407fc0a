"""A hint about a segment, on its way to where its scores are: what was found beside its neighbours (judging.py)."""

import msgspec

from worker.flow.batch import Output
from worker.flow.dead_letter import no_message
from worker.flow.outbox import TALLIES
from worker.nps.jump import Jump

#: A hint's key; tallies have none.
KEY = b"hint"


class Hint(msgspec.Struct, array_like=True, frozen=True):
    """`jump`: None if there is none any more."""

    path: str
    jump: Jump | None


_encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder(Hint).decode


def read(value: bytes | None) -> Hint:
    """Return the hint that a value is. Raise Rejected if it is none."""
    try:
        return decode(value or b"")
    except msgspec.DecodeError:
        raise no_message("hint") from None


def output(path: str, jump: Jump | None, partition: int) -> Output:
    """Return the message for a segment, in the partition that it is in."""
    return Output(TALLIES, KEY, _encode(Hint(path, jump)), partition=partition)
