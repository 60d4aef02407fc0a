"""The base of every section of the settings."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A section of the settings. A key that is not known is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)
