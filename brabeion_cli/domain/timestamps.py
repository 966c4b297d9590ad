"""Moments as UTC text, and the days of a time zone: which day a moment is on, and when a day begins."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta, timezone, tzinfo
from functools import lru_cache

from brabeion_cli.domain import strict_json
from brabeion_cli.errors import EventError


def moment(value: object, what: str = "at") -> str:
    """Return ISO 8601 text or a `datetime` as UTC text with microseconds and Z. Without a time zone it is UTC already.

    `what` is the value's name in messages. Raises `EventError`.
    """
    if isinstance(value, str):
        if _is_recorded_form(value):
            return value
        try:
            parsed = datetime.fromisoformat(value.strip())
        except ValueError:
            raise EventError(f"{what} is {value!r:.80}; write ISO 8601, such as 2026-11-22T18:19:00Z") from None
    elif isinstance(value, datetime):
        parsed = value
    else:
        raise EventError(f"{what} is {strict_json.kind_name(value)}; write ISO 8601 text, such as 2026-11-22T18:19:00Z")
    if parsed.tzinfo is not None:
        try:
            parsed = parsed.astimezone(timezone.utc)
        except OverflowError:
            raise EventError(f"{what} is {value!r:.80}, which is outside the years 1 to 9999 in UTC") from None
    return parsed.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def _is_recorded_form(text: str) -> bool:
    """Whether a moment has the form in which it is recorded. Most have, if brabeion or a program wrote them."""
    if len(text) != 27 or text[4:20:3] != "--T::." or text[26] != "Z" or text[11:13] == "24":  # 0:00, a day later
        return False
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def parse_moment(text: str) -> datetime:
    """Return a recorded moment as a `datetime` in UTC."""
    return datetime.fromisoformat(text)


ONE_DAY = timedelta(days=1)


class Days(int):
    """A number of days that also has the dates. Iterate over it for the dates, oldest first.

    For example:

        history.days("visited") >= 5
        date(2026, 12, 24) in history.days("visited")
    """

    def __new__(cls, dates: Iterable[date]) -> Days:
        dates = tuple(dates)
        self = super().__new__(cls, len(dates))
        self._dates = dates
        return self

    _dates: tuple[date, ...]

    def __getnewargs__(self) -> tuple[tuple[date, ...]]:  # type: ignore[override]  # int has another type
        return (self._dates,)

    def __iter__(self) -> Iterator[date]:
        return iter(self._dates)

    def __len__(self) -> int:
        return len(self._dates)

    def __contains__(self, day: object) -> bool:
        return day in self._dates

    def __getitem__(self, index: int) -> date:
        return self._dates[index]


@lru_cache(maxsize=64)
def zone(name: str) -> tzinfo:
    """Return the time zone of that name. Raises `ValueError` if there is none."""
    if name == "UTC":
        return timezone.utc
    from zoneinfo import ZoneInfo

    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError):  # a folder, a path, an unknown name
        raise ValueError(f"no time zone {name!r}; write a name of the IANA database, such as Europe/Berlin") from None


def zone_of(tz: object) -> tzinfo:
    """Return the time zone that a badge author gave, as a name or as a `tzinfo`. Raises `ValueError`."""
    return tz if isinstance(tz, tzinfo) else zone(tz if isinstance(tz, str) else repr(tz))


def day_of(at: datetime, tz: tzinfo) -> date:
    """Return the day of a moment in that time zone."""
    try:
        return at.astimezone(tz).date()
    except OverflowError:  # in the first hours of year 1, or the last ones of year 9999
        return at.date()


def start_of_day(day: date, tz: tzinfo) -> str:
    """Return the first moment of a day, as UTC text. Correct also if the clocks change at midnight."""
    midnight = datetime(day.year, day.month, day.day, tzinfo=tz)
    try:
        return moment(midnight)
    except EventError:  # before year 1 in UTC
        return moment(midnight.replace(tzinfo=timezone.utc))


@lru_cache(maxsize=4096)
def clocks_cross_midnight(day: date, tz: tzinfo) -> bool:
    """Whether the clocks went back across midnight near that day, so that a day is not one stretch of time.

    This happened in St John's at 00:01. Near such a day, a search cannot skip to the beginning of the next day.
    """
    if not date.min + 2 * ONE_DAY < day < date.max - 2 * ONE_DAY:
        return True  # nor is skipping safe near the first and the last day of the calendar
    early, late = (_instant(day + number * ONE_DAY, tz) for number in (-1, 2))
    before, after = early.astimezone(tz).utcoffset(), late.astimezone(tz).utcoffset()
    if before == after:
        return False
    while late - early > timedelta(seconds=1):  # find the moment of the change
        middle = early + (late - early) / 2
        early, late = (middle, late) if middle.astimezone(tz).utcoffset() == before else (early, middle)
    return late.astimezone(tz).date() < early.astimezone(tz).date()


def _instant(day: date, tz: tzinfo) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=tz).astimezone(timezone.utc)


def missed_between(earlier: date, later: date, tz: tzinfo) -> int:
    """Return how many days lie between two days. A day that the place skipped to cross the date line is not counted."""
    missed = (later - earlier).days - 1
    if 0 < missed <= 31:
        days = (earlier + timedelta(days=number) for number in range(1, missed + 1))
        missed -= sum(start_of_day(day, tz) == start_of_day(day + ONE_DAY, tz) for day in days)
    return missed
