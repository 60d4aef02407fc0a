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


class SmoothedScore(Event):
    """The answers, each weighing half as much for every half-life that it is older than the newest."""

    nps: float
    low: float = Field(description="Lower end of the 95 % adjusted-Wald interval.")
    high: float = Field(description="Upper end.")
    n_eff: float = Field(description="So many equally weighted answers would be as sure.")
    half_life_days: int = Field(description="Time for 81 answers, from 7 days to 90.")


class TrendScore(Event):
    """Where the score goes: the slope of a line through the answers, weighted like the smoothed score."""

    direction: str = Field(
        description="'rising', 'falling' or 'steady' if the interval says so, else 'unclear'; words may be added."
    )
    change: float = Field(description="Points per 30 days.")
    low: float = Field(description="Lower end of its 95 % interval.")
    high: float = Field(description="Upper end.")


class Scores(Event):
    """A segment's windows. The record's key is the segment's path; the root's is empty."""

    segment: str
    as_of: AwareDatetime = Field(description="The newest answer's time: time windows end here.")
    histogram: list[int] = Field(description="All-time answers per score, 0 to 10; adds up exactly over segments.")
    windows: dict[str, WindowScore]
    smoothed: SmoothedScore | None = Field(default=None, description="Null when nobody answered within ten half-lives.")
    trend: TrendScore | None = Field(default=None, description="Null below two weeks, or below 30 answers' worth.")
