"""Days of a time zone: which day a moment falls on, and when a day begins."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta, timezone, tzinfo
from functools import lru_cache

from brabeion_cli.domain import strict_json
from brabeion_cli.errors import EventError


def moment(value: object, what: str = "at") -> str:
    """ISO 8601 text or a `datetime` as UTC text with microseconds and Z; without a zone it is UTC already. `what` is
    the name under which it was given.
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
    """Whether a moment is written as it is recorded: most are, where brabeion or a machine wrote them."""
    if len(text) != 27 or text[4:20:3] != "--T::." or text[26] != "Z" or text[11:13] == "24":  # the next day's 0
        return False
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def parse_moment(text: str) -> datetime:
    """The `datetime` (UTC) of a recorded moment."""
    return datetime.fromisoformat(text)


ONE_DAY = timedelta(days=1)


class Days(int):
    """A number of days that knows which: iterate it for the dates, oldest first.

    history.days("visited") >= 5
    date(2026, 12, 24) in history.days("visited")
    """

    def __new__(cls, dates: Iterable[date]) -> Days:
        dates = tuple(dates)
        self = super().__new__(cls, len(dates))
        self._dates = dates
        return self

    _dates: tuple[date, ...]

    def __getnewargs__(self) -> tuple[tuple[date, ...]]:  # type: ignore[override]  # that of int
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
    """The time zone of that name. Raises `ValueError`."""
    if name == "UTC":
        return timezone.utc
    from zoneinfo import ZoneInfo

    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError):  # a folder, a path, a name that is not there
        raise ValueError(f"no time zone {name!r}; write a name of the IANA database, such as Europe/Berlin") from None


def zone_of(tz: object) -> tzinfo:
    """The time zone that an author meant, by name or as it is. Raises `ValueError`."""
    return tz if isinstance(tz, tzinfo) else zone(tz if isinstance(tz, str) else repr(tz))


def day_of(at: datetime, where: tzinfo) -> date:
    """The day on which a moment falls there."""
    try:
        return at.astimezone(where).date()
    except OverflowError:  # in the first or last hours of the calendar
        return at.date()


def beginning(day: date, where: tzinfo) -> str:
    """The first moment of a day, as a journal has it: also where the clocks change at midnight."""
    midnight = datetime(day.year, day.month, day.day, tzinfo=where)
    try:
        return moment(midnight)
    except EventError:  # before the calendar begins
        return moment(midnight.replace(tzinfo=timezone.utc))


@lru_cache(maxsize=4096)
def is_torn(day: date, where: tzinfo) -> bool:
    """Whether clocks went back over midnight near that day, so that a day is not one stretch of time (St John's, at
    00:01), and none near it may be jumped over.
    """
    if not date.min + 2 * ONE_DAY < day < date.max - 2 * ONE_DAY:
        return True  # the calendar's ends are nothing to rely on, either
    early, late = (_instant(day + number * ONE_DAY, where) for number in (-1, 2))
    before, after = early.astimezone(where).utcoffset(), late.astimezone(where).utcoffset()
    if before == after:
        return False
    while late - early > timedelta(seconds=1):  # find the change
        middle = early + (late - early) / 2
        early, late = (middle, late) if middle.astimezone(where).utcoffset() == before else (early, middle)
    return late.astimezone(where).date() < early.astimezone(where).date()


def _instant(day: date, where: tzinfo) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=where).astimezone(timezone.utc)


def missed_between(earlier: date, later: date, where: tzinfo) -> int:
    """How many days lie between two. One that a place left out, when it crossed the date line, is none."""
    missed = (later - earlier).days - 1
    if 0 < missed <= 31:
        days = (earlier + timedelta(days=number) for number in range(1, missed + 1))
        missed -= sum(beginning(day, where) == beginning(day + ONE_DAY, where) for day in days)
    return missed
