"""A file that says where the rows of a table have what: a mapping as a source has it, without a sender. Pure."""

import tomllib
from typing import Literal

from pydantic import Field, ValidationError, model_validator

from schemas.base import LONGEST_ID
from worker.flow.responses.formats.source import Source, compiled, compiled_all
from worker.notify.content.readers import TimeZoneName
from worker.notify.endpoint import EndpointName
from worker.receive.settings import LACKS_ZONE, FieldMapping, TimeFormat, times_of
from worker.section import Section
from worker.wrong_settings import wrong_key

#: What an entry of the file is called in messages.
_NOUN = "key"


class MapFile(Section):
    """Where the rows of a table have the fields of a response."""

    name: EndpointName = Field(description="The name with which the ids of the responses begin.")
    survey_id: str | None = Field(default=None, min_length=1, max_length=LONGEST_ID)
    unknown_customers: Literal["refuse", "anonymous"] = "refuse"
    time_format: TimeFormat | None = None
    time_zone: TimeZoneName | None = None
    mapping: FieldMapping

    @model_validator(mode="after")
    def _consistent(self) -> "MapFile":
        if self.mapping.each is not None:
            raise ValueError("mapping.each has no effect, since each row is one answer: remove it")
        fields = self.mapping.fields
        missing = [f"mapping.{name}" for name in ("score", "responded_at") if name not in fields]
        if self.survey_id is None and "survey_id" not in fields:
            missing.append("survey_id or mapping.survey_id")
        if missing:
            raise ValueError(f"needs {' and '.join(missing)} as well")
        if times_of(self.time_format, self.time_zone).lacks_zone:
            raise ValueError(LACKS_ZONE)
        return self

    def source(self, pseudonym_key: bytes | None) -> Source:
        """Return how rows are read."""
        only_if = self.mapping.only_if
        return Source(
            name=self.name,
            mapping=compiled_all(self.mapping.fields),
            survey_id=self.survey_id or "",
            only_if=None if only_if is None else compiled(only_if),
            pseudonym_key=pseudonym_key,
            unknown_is_anonymous=self.unknown_customers == "anonymous",
            times=times_of(self.time_format, self.time_zone),
        )


def read_map(text: str) -> MapFile:
    """Return what a file says. Raise ValueError with a line for each problem."""
    try:
        return MapFile.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"is not TOML: {error}") from None
    except ValidationError as error:
        problems = [wrong_key(problem, MapFile, _NOUN) for problem in error.errors(include_input=False)]
        # What is wrong with several keys together is said of the file.
        raise ValueError("\n".join(problem.removeprefix(f"{_NOUN}s: ") for problem in problems)) from None
