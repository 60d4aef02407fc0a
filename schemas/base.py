"""What all events share: strictness, identifiers, segments."""

from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

#: No C0 or C1 control characters (NUL among them): an identifier is printed, logged and used as a key.
NO_CONTROLS = r"^[^\x00-\x1f\x7f-\x9f]+$"

#: In characters.
LONGEST_ID = 200

Identifier = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_ID, pattern=NO_CONTROLS)]

Score = Annotated[int, Field(ge=0, le=10)]


class Event(BaseModel):
    """A message on the wire. Strict types; unknown fields are kept out, not refused."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)


__all__ = ["LONGEST_ID", "NO_CONTROLS", "AwareDatetime", "Event", "Identifier", "Score"]
