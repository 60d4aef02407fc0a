"""What all events share: strictness, identifiers, segments."""

from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

#: No C0 or C1 control characters (NUL among them): an identifier is printed, logged and used as a key.
_NO_CONTROLS = r"^[^\x00-\x1f\x7f-\x9f]+$"

Identifier = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=_NO_CONTROLS)]

#: One name on the way down the tree; the slash joins names to a path, so it cannot be part of one.
SegmentName = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f-\x9f/]+$")]

#: At most eight levels, root first.
SegmentNames = Annotated[list[SegmentName], Field(max_length=8)]

Score = Annotated[int, Field(ge=0, le=10)]


class Event(BaseModel):
    """A message on the wire. Strict types; unknown fields are kept out, not refused."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)


__all__ = ["AwareDatetime", "Event", "Identifier", "Score", "SegmentName", "SegmentNames"]
