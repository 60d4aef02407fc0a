"""Working time, compared minute by minute with a clock that is read: over both clock changes, in three zones."""

import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.routing.calendar import Calendar, after, calendar_of, is_working, skipped, working_seconds
from worker.routing.hours import CalendarSettings

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
OFFICE = ["mon-fri 08:30-12:00 13:30-17:30"]
#: Paris changes its clock at 02:00 and 03:00, Chicago at 02:00, and Lord Howe by half an hour only.
ZONES = ["Europe/Paris", "America/Chicago", "Australia/Lord_Howe"]
#: A day before each clock change of 2026 in these zones.
CHANGES = {
    "Europe/Paris": [date(2026, 3, 28), date(2026, 10, 24)],
    "America/Chicago": [date(2026, 3, 7), date(2026, 10, 31)],
    "Australia/Lord_Howe": [date(2026, 4, 4), date(2026, 10, 3)],
}
HOURS = {
    "an office": OFFICE,
    "the hour of the change": ["mon-sun 02:00-03:00"],
    "inside the hour of the change": ["mon-sun 02:15-02:45"],
    "up to the middle of it": ["mon-sun 00:30-02:30"],
    "from the middle of it": ["mon-sun 02:30-04:00"],
    "nights": ["mon-sun 22:00-06:00"],
    "nights that overlap mornings": ["sat 20:00-08:00", "sun 02:20-12:00"],
    "always": ["mon-sun 00:00-24:00"],
}


def calendar(zone: str = "Europe/Paris", hours: list[str] | None = None, **more: Any) -> Calendar:
    return calendar_of(CalendarSettings(time_zone=zone, hours=hours or OFFICE, **more))


def ms(text: str, zone: str = "Europe/Paris", fold: int = 0) -> int:
    when = datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold)
    return int(when.timestamp()) * 1_000


def local(moment: int, zone: str = "Europe/Paris") -> str:
    return datetime.fromtimestamp(moment / 1_000, ZoneInfo(zone)).strftime("%a %d %H:%M")


# The clock that is read: it knows spans as the settings write them, and looks at each minute.


def minutes_from(first: date, days: int) -> Iterator[datetime]:
    """Yield each minute in UTC, from a day and a half before `first` on."""
    begin = datetime(first.year, first.month, first.day, tzinfo=UTC) - timedelta(hours=36)
    return (begin + timedelta(minutes=number) for number in range((days + 3) * 1_440))


@lru_cache(maxsize=64)
def read_minutes(zone_name: str, hours: tuple[str, ...], first: date, days: int) -> dict[int, bool]:
    """Return for each minute, in ms, whether it is worked.

    A span runs from the first minute in which the clock shows its begin or a later time, up to the first minute in
    which it shows its end or a later time.
    """
    zone = ZoneInfo(zone_name)
    shown = [(minute, minute.astimezone(zone).replace(tzinfo=None)) for minute in minutes_from(first, days)]
    worked: dict[int, bool] = {int(minute.timestamp()) * 1_000: False for minute, _ in shown}
    for number in range(-1, days + 1):
        day = first + timedelta(days=number)
        for begin, end in spans_on(day, hours):
            started = False
            for minute, clock in shown:
                started = started or clock >= begin
                if clock >= end:
                    break
                if started:
                    worked[int(minute.timestamp()) * 1_000] = True
    return worked


def spans_on(day: date, hours: tuple[str, ...]) -> Iterator[tuple[datetime, datetime]]:
    midnight = datetime(day.year, day.month, day.day)  # noqa: DTZ001 - what a clock shows
    names = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
    for line in hours:
        days, *spans = line.split()
        first, _, last = days.partition("-")
        if names.index(first) <= day.weekday() <= names.index(last or first):
            for span in spans:
                (h1, m1), (h2, m2) = ([int(part) for part in time.split(":")] for time in span.split("-"))
                end = timedelta(hours=h2, minutes=m2, days=(h2, m2) <= (h1, m1))
                yield midnight + timedelta(hours=h1, minutes=m1), midnight + end


@pytest.mark.unmeasured
@pytest.mark.parametrize("hours", HOURS.values(), ids=HOURS)
@pytest.mark.parametrize("number", [0, 1], ids=["forward or back", "the other way"])
@pytest.mark.parametrize("zone", ZONES)
def test_each_minute_around_a_clock_change_is_worked_as_the_clock_says(
    zone: str, number: int, hours: list[str]
) -> None:
    first = CHANGES[zone][number]
    days = calendar(zone, hours)
    worked = read_minutes(zone, tuple(hours), first, 3)
    minutes = sorted(worked)[1_440:-1_440]  # without the first and the last day, whose spans are not all known

    assert [worked[minute] for minute in minutes] == [is_working(days, minute) for minute in minutes]
    for begin in minutes[::397]:
        total = 0
        for minute in range(begin, minutes[-1], MINUTE):
            assert minute % 37 or working_seconds(days, begin, minute) == total
            total += 60 if worked[minute] else 0


@given(st.data())
def test_after_and_working_seconds_agree_with_the_clock_from_any_minute_on(data: st.DataObject) -> None:
    zone = data.draw(st.sampled_from(ZONES))
    hours = HOURS[data.draw(st.sampled_from([*HOURS]))]
    first = data.draw(st.sampled_from(CHANGES[zone]))
    days = calendar(zone, hours)
    worked = read_minutes(zone, tuple(hours), first, 3)
    minutes = sorted(worked)[1_440:-1_440]
    begin, end = sorted(data.draw(st.tuples(st.sampled_from(minutes), st.sampled_from(minutes))))
    total = 60 * sum(worked[minute] for minute in range(begin, end, MINUTE))

    assert working_seconds(days, begin, end) == total
    due = after(days, begin, total)
    assert due is not None
    assert working_seconds(days, begin, due) == total
    assert due <= end or not total
    assert total == 0 or is_working(days, due - MINUTE)


@given(
    st.integers(min_value=ms("2026-01-01"), max_value=ms("2027-01-01")),
    st.lists(st.integers(min_value=0, max_value=40 * DAY), min_size=2, max_size=2).map(sorted),
)
def test_working_time_adds_up(begin: int, lengths: list[int]) -> None:
    days = calendar(holidays="FR")
    middle, end = (begin + length for length in lengths)

    assert round(1_000 * working_seconds(days, begin, end)) == round(
        1_000 * (working_seconds(days, begin, middle) + working_seconds(days, middle, end))
    )
    assert working_seconds(days, end, begin) == 0 or begin == end


# What other programs got wrong


@pytest.mark.parametrize(
    ("zone", "friday"),
    [("Europe/Paris", "2026-03-27"), ("Europe/Paris", "2026-10-23"), ("America/Chicago", "2026-10-30")],
)
def test_an_office_opens_at_the_same_local_time_before_and_after_a_clock_change(zone: str, friday: str) -> None:
    days = calendar(zone, ["mon-fri 08:30-17:30"])
    evening = ms(f"{friday}T18:00", zone)
    opens = after(days, evening, 0)

    assert opens is not None
    assert local(opens, zone).endswith("08:30")
    assert local(opens, zone).startswith("Mon")
    assert working_seconds(days, evening, opens + DAY) == 9 * 3_600


def test_a_time_that_does_not_exist_is_the_moment_of_the_change_and_one_that_comes_twice_counts_once() -> None:
    spring, autumn = "2026-03-29", "2026-10-25"
    early = calendar(hours=["sun 02:15-02:45"])

    assert working_seconds(early, ms(f"{spring}T00:00"), ms(f"{spring}T12:00")) == 0
    assert working_seconds(early, ms(f"{autumn}T00:00"), ms(f"{autumn}T12:00")) == 30 * 60
    assert not is_working(early, ms(f"{autumn}T02:30", fold=1))
    from_half_past_two = calendar(hours=["sun 02:30-06:00"])
    assert after(from_half_past_two, ms(f"{spring}T00:00"), 0) == ms(f"{spring}T03:00")
    assert working_seconds(from_half_past_two, ms(f"{autumn}T00:00"), ms(f"{autumn}T12:00")) == 4.5 * 3_600


def test_a_night_in_which_the_clock_is_set_back_has_nine_hours() -> None:
    nights = calendar(hours=["sat 22:00-06:00"])

    assert working_seconds(nights, ms("2026-10-24T12:00"), ms("2026-10-26T12:00")) == 9 * 3_600
    assert working_seconds(nights, ms("2026-03-28T12:00"), ms("2026-03-30T12:00")) == 7 * 3_600


@pytest.mark.parametrize("end", ["24:00", "00:00"])
def test_around_the_clock_no_minute_is_lost_at_midnight(end: str) -> None:
    always = calendar(hours=[f"mon-sun 00:00-{end}"])
    begin = ms("2026-05-05T15:00")

    assert working_seconds(always, begin, begin + 48 * HOUR) == 48 * 3_600
    assert after(always, begin, 48 * 3_600) == begin + 48 * HOUR
    assert working_seconds(always, ms("2026-03-01T00:00"), ms("2026-11-01T00:00")) * 1_000 == (
        ms("2026-11-01T00:00") - ms("2026-03-01T00:00")
    )


def test_four_hours_from_the_last_one_of_a_monday_end_on_tuesday_morning() -> None:
    days = calendar(hours=["mon-fri 08:00-18:00"])
    due = after(days, ms("2026-06-01T17:00"), 4 * 3_600)

    assert due == ms("2026-06-02T11:00")
    assert after(days, ms("2026-06-01T17:00"), 3 * 3_600) == ms("2026-06-02T10:00")
    assert after(days, ms("2026-06-01T17:00"), 3_600) == ms("2026-06-01T18:00")
    assert after(days, ms("2026-06-01T18:00"), 0) == ms("2026-06-02T08:00")


def test_an_hour_of_lunch_between_two_spans_of_a_day_is_not_worked() -> None:
    days = calendar(hours=["mon-fri 08:00-12:00 13:30-18:00"])

    assert not is_working(days, ms("2026-06-01T12:30"))
    assert working_seconds(days, ms("2026-06-01T00:00"), ms("2026-06-02T00:00")) == 8.5 * 3_600
    assert working_seconds(days, ms("2026-06-01T11:45"), ms("2026-06-01T13:45")) == 30 * 60


def test_the_days_are_those_of_the_calendars_zone() -> None:
    friday_evening = int(datetime(2026, 6, 5, 19, 0, tzinfo=UTC).timestamp()) * 1_000  # Saturday in Brisbane

    assert not is_working(calendar("Australia/Brisbane", ["mon-fri 00:00-24:00"]), friday_evening)
    assert is_working(calendar("Europe/Paris", ["mon-fri 00:00-24:00"]), friday_evening)


def test_the_time_zone_of_the_process_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    before = [after(calendar(), ms("2026-06-05T17:45"), seconds) for seconds in (0, 3_600)]
    monkeypatch.setenv("TZ", "Asia/Seoul")
    time.tzset()
    try:
        assert before == [after(calendar(), ms("2026-06-05T17:45"), seconds) for seconds in (0, 3_600)]
    finally:
        monkeypatch.undo()
        time.tzset()


def test_nothing_is_worked_outside_the_hours_in_any_minute_of_two_weeks() -> None:
    days = calendar(hours=["mon-fri 09:00-17:00"], days_off=["2026-06-03"])
    begin = ms("2026-06-01T00:00")
    for minute in range(begin, begin + 14 * DAY, MINUTE):
        due = after(days, minute, 0)
        assert due is not None
        clock = datetime.fromtimestamp(due / 1_000, ZoneInfo("Europe/Paris"))
        assert clock.weekday() < 5
        assert 9 <= clock.hour < 17
        assert clock.day != 3


# Holidays and own days


@pytest.mark.parametrize(("place", "off"), [("FR", False), ("FR-57", True)])
@pytest.mark.parametrize("day", ["2026-04-03", "2025-12-26"], ids=["Good Friday", "26 December"])
def test_moselle_has_two_holidays_that_the_rest_of_france_has_not(place: str, day: str, *, off: bool) -> None:
    days = calendar(holidays=place)

    assert off is not is_working(days, ms(f"{day}T10:00"))


def test_own_days_off_and_working_days_win_over_holidays() -> None:
    days = calendar(
        holidays="FR",
        days_off=["2026-06-01", "12-24"],
        working_days=["2026-05-08", "2026-12-19 09:00-13:00"],
    )

    assert is_working(days, ms("2026-05-08T10:00"))  # a holiday that is worked
    assert not is_working(days, ms("2026-05-01T10:00"))
    assert not is_working(days, ms("2026-06-01T10:00"))
    assert not is_working(days, ms("2026-12-24T10:00"))
    assert not is_working(days, ms("2027-12-24T10:00"))
    assert is_working(days, ms("2026-12-19T12:30"))  # a Saturday
    assert not is_working(days, ms("2026-12-19T13:30"))


def test_a_night_belongs_to_the_day_on_which_it_begins() -> None:
    nights = calendar(hours=["mon-sun 22:00-06:00"], days_off=["2026-06-02"])

    assert is_working(nights, ms("2026-06-02T03:00"))
    assert not is_working(nights, ms("2026-06-02T23:00"))
    assert not is_working(nights, ms("2026-06-03T03:00"))


def test_the_days_that_are_skipped_are_named_with_the_reason() -> None:
    days = calendar(holidays="FR", days_off=["2026-05-15"])
    found = skipped(days, ms("2026-05-13T19:00"), ms("2026-05-18T08:30"))

    assert [(skip.day.isoformat(), skip.why) for skip in found] == [
        ("2026-05-14", "Ascension Day"),
        ("2026-05-15", "day off"),
    ]


def test_without_any_working_time_the_search_ends() -> None:
    always_off = [f"{month:02}-{day:02}" for month in range(1, 13) for day in range(1, 32) if day <= days_of(month)]
    never = calendar(days_off=always_off)

    assert after(never, ms("2026-06-01T10:00"), 0) is None
    assert working_seconds(never, ms("2026-06-01T10:00"), ms("2030-06-01T10:00")) == 0


def days_of(month: int) -> int:
    return 29 if month == 2 else 30 if month in {4, 6, 9, 11} else 31


def test_the_first_day_that_a_notice_can_have_is_worked_and_after_the_last_one_nothing_is() -> None:
    nights = calendar("Pacific/Kiritimati", ["mon-sun 22:00-06:00"])
    last = 253_402_300_799_999

    assert 4 * 3_600 <= working_seconds(nights, 0, DAY) <= 8 * 3_600
    assert after(nights, last - 10 * DAY, 0) is not None
    assert after(nights, last - DAY, 0) is None
    assert skipped(nights, last - 2 * DAY, last - DAY) == []


def test_more_days_than_are_kept_in_memory_are_looked_at() -> None:
    days = calendar(hours=["mon-sun 00:00-24:00"])
    begin = ms("2026-06-01T00:00")

    assert working_seconds(days, begin, begin + 5_000 * DAY) == 5_000 * 86_400
