"""The scores: a segment's NPS over each window, each with its size and its uncertainty."""

from pydantic import Field

from schemas.base import AwareDatetime, Event


class WindowScore(Event):
    """One window. NPS and bounds are in points, from -100 to 100, null when nobody answered."""

    n: int
    promoters: int
    passives: int
    detractors: int
    nps: float | None
    low: float | None = Field(description="Lower end of the 95 % adjusted-Wald interval.")
    high: float | None = Field(description="Upper end.")
    indicative: bool = Field(description="Fewer than 30 answers: read it as a hint.")


class Scores(Event):
    """A segment's windows. The record's key is the segment's path; the root's is empty."""

    segment: str
    as_of: AwareDatetime = Field(description="The newest answer's time: time windows end here.")
    histogram: list[int] = Field(description="All-time answers per score, 0 to 10; adds up exactly over segments.")
    windows: dict[str, WindowScore]
