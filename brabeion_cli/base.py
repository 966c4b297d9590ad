"""What badge authors build on: `Badge`, `BadgeAwarded`, `BadgeDetail`, `Progress`, and the ready-made badges."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple


class BadgeDetail(NamedTuple):
    """One level of a badge, where a bare name is not enough: `BadgeDetail("Gold", "over 10,000 points")`."""

    name: str
    description: str | None = None
    image: str | None = None


class BadgeAwarded(NamedTuple):
    """What `award()` answers when the event earns the badge.

    `level` counts from 1 and may be left out where the badge has one level. `user` awards somebody else than
    `state["user"]`. `key` makes the award once per key ("once per post"). `also` holds further awards that the same
    event earns (see `several`).

        return BadgeAwarded(level=2)
        return BadgeAwarded(key=state["post_id"])
    """

    level: int | None = None
    user: str | int | None = None
    key: str | int | None = None
    also: tuple[BadgeAwarded, ...] = ()

    @classmethod
    def several(cls, earned: Iterable[BadgeAwarded]) -> BadgeAwarded | None:
        """All of `earned` as the one answer that `award()` gives, or None where nothing was earned.

        return BadgeAwarded.several(BadgeAwarded(key=tag) for tag in state["tags"])
        """
        all_earned = list(earned)
        if not all_earned:
            return None
        first, *others = all_earned
        return first._replace(also=(*first.also, *others))


class Badge:
    """A badge. Subclass it, say what it listens to, answer in `award()`, and register the class.

    `slug` names the badge for ever: lower-case letters, digits, `-` and `_`, 100 characters at most. `levels` is a
    non-empty list of names or `BadgeDetail`s, lowest first. `events` are the names of the events it listens to.
    With `multiple` every event may award it again (it then has one level); with `async_` it is judged by
    `brabeion process-queue`; with `cumulative` level N grants the lower ones too. `asks` names further events that it
    asks the history about: `brabeion db prune` keeps those, too.
    """

    slug: ClassVar[str]
    levels: ClassVar[Sequence[str | BadgeDetail]]
    events: ClassVar[Sequence[str]]
    multiple: ClassVar[bool] = False
    async_: ClassVar[bool] = False
    cumulative: ClassVar[bool] = False
    asks: ClassVar[Sequence[str]] = ()

    def award(self, **state: Any) -> BadgeAwarded | None:
        """Does this event earn the badge? `state["user"]` is always there; the rest is the caller's."""
        raise NotImplementedError

    def freeze(self, **state: Any) -> Mapping[str, Any]:
        """For deferred badges: runs when the event is fired, returns the state that `award()` will see later."""
        return state

    def detail(self, level: int) -> BadgeDetail:
        """Name, description and image of a level, counted from 1."""
        entry = self.levels[level - 1]
        detail = entry if isinstance(entry, BadgeDetail) else BadgeDetail(entry)
        # An enumeration's member as the plain text that it is: other processes do not know the enumeration.
        return BadgeDetail._make(None if text is None else str.__str__(text) for text in detail)


class Progress(NamedTuple):
    """How far a user is on the way to a badge: `current` of `target`; `level` is the one that the target earns."""

    current: float
    target: float
    level: int | None = None


class ThresholdBadge(Badge):
    """A badge with a number for each level, which `value()` has to reach; what the ready-made badges share.

    `thresholds` has one number for each level, rising. `where` are fields of the recorded state, with the values that
    they must have in the events that count.
    """

    thresholds: ClassVar[Sequence[float]]
    where: ClassVar[Mapping[str, Any]] = {}

    def value(self, history: Any) -> float:
        """What the thresholds are compared with."""
        raise NotImplementedError

    def award(self, **state: Any) -> BadgeAwarded | None:
        value = self.value(state["history"])
        level = sum(value >= threshold for threshold in self.thresholds)
        return BadgeAwarded(level) if level else None

    def progress(self, history: Any, **state: Any) -> Progress:
        """The value, and the next threshold; the last one where all are reached."""
        value = self.value(history)
        level = 1 + sum(value >= threshold for threshold in self.thresholds[:-1])
        return Progress(value, self.thresholds[level - 1], level)


class CountBadge(ThresholdBadge):
    """For a number of events.

    @badges.register
    class Commentator(CountBadge):
        slug = "commentator"
        levels = ["Bronze", "Silver"]
        events = ["comment_posted"]
        thresholds = [10, 100]
        where = {"is_own_post": False}
    """

    def value(self, history: Any) -> int:
        count: int = history.count(*self.events, **self.where)
        return count


class SumBadge(ThresholdBadge):
    """For the sum of a field of its events: `field = "points"`, or `"order__total"` for a field within a field."""

    field: ClassVar[str]

    def value(self, history: Any) -> float:
        total: float = sum(history.sum(event, self.field, **self.where) for event in dict.fromkeys(self.events))
        return total


class DaysBadge(ThresholdBadge):
    """For a number of days with an event; `tz` says where days begin (None: as configured)."""

    tz: ClassVar[str | None] = None

    def value(self, history: Any) -> int:
        return int(history.days(*self.events, tz=self.tz, **self.where))


class StreakBadge(DaysBadge):
    """For a number of days in a row with an event; `grace` days in all may be missed."""

    grace: ClassVar[int] = 0

    def value(self, history: Any) -> int:
        streak: int = history.streak(*self.events, tz=self.tz, grace=self.grace, **self.where)
        return streak
