"""The classes for badge authors: `Badge`, `BadgeAwarded`, `BadgeDetail`, `Progress` and the ready-made badges."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple


class BadgeDetail(NamedTuple):
    """One level of a badge, if a bare name is not enough: `BadgeDetail("Gold", "over 10,000 points")`."""

    name: str
    description: str | None = None
    image: str | None = None


class BadgeAwarded(NamedTuple):
    """What `award()` returns when the event earns the badge.

    `level` counts from 1. You may leave it out if the badge has one level. `user` is who gets the award, if not
    `state["user"]`. With `key` the badge is awarded once per key ("once per post"). `also` has more awards that the
    same event earns (see `several`).

        return BadgeAwarded(level=2)
        return BadgeAwarded(key=state["post_id"])
    """

    level: int | None = None
    user: str | int | None = None
    key: str | int | None = None
    also: tuple[BadgeAwarded, ...] = ()

    @classmethod
    def several(cls, earned: Iterable[BadgeAwarded]) -> BadgeAwarded | None:
        """Combine several awards into the one value that `award()` returns. None if `earned` is empty.

        For example:

            return BadgeAwarded.several(BadgeAwarded(key=tag) for tag in state["tags"])
        """
        all_earned = list(earned)
        if not all_earned:
            return None
        first, *others = all_earned
        return first._replace(also=(*first.also, *others))


class Badge:
    """A badge. Subclass it, define `slug`, `levels`, `events` and `award()`, and register the class.

        @badges.register
        class PointsBadge(Badge):
            slug = "points"
            levels = ["Bronze", BadgeDetail("Gold", "over 10,000 points")]
            events = ["points_awarded"]

            def award(self, **state):
                if state["points"] > 10000:
                    return BadgeAwarded(level=2)
                if state["points"] > 5000:
                    return BadgeAwarded(level=1)

    `slug` identifies the badge and must never change: at most 100 lower-case letters, digits, `-` and `_`, the first a
    letter or digit. `levels` is a non-empty list of names or `BadgeDetail`s, lowest first. `events` are the names of
    the events that the badge listens to. If `multiple` is true, every event may award the badge again; it must then
    have one level. If `async_` is true, the badge is deferred: `brabeion process-queue` evaluates it. If `cumulative`
    is true, level N also awards the lower levels. `asks` names other events that the badge asks the history about, so
    that `brabeion db prune` keeps them.
    """

    slug: ClassVar[str]
    levels: ClassVar[Sequence[str | BadgeDetail]]
    events: ClassVar[Sequence[str]]
    multiple: ClassVar[bool] = False
    async_: ClassVar[bool] = False
    cumulative: ClassVar[bool] = False
    asks: ClassVar[Sequence[str]] = ()

    def award(self, **state: Any) -> BadgeAwarded | None:
        """Return what the event earns, or None if it earns nothing.

        `state` has the fields of the event, `state["user"]` (text) and `state["history"]` (a `History`). If this
        raises, or overruns its time-out, the badge awards nothing now and is asked again later.
        """
        raise NotImplementedError

    def freeze(self, **state: Any) -> Mapping[str, Any]:
        """Return the state that `award()` of a deferred badge sees later. Runs when the event is fired.

        `user` and `history` are added again. The other values must be JSON values, tuples, `datetime`, `date`, `time`,
        `timedelta`, `Decimal` or `UUID`.
        """
        return state

    def detail(self, level: int) -> BadgeDetail:
        """Return the name, description and image of a level, counted from 1."""
        entry = self.levels[level - 1]
        detail = entry if isinstance(entry, BadgeDetail) else BadgeDetail(entry)
        # Members of a text enum become plain text: other processes do not know the enum.
        return BadgeDetail._make(None if text is None else str.__str__(text) for text in detail)


class Progress(NamedTuple):
    """How far a user is on the way to a badge: `current` of `target`. `level` is the level that `target` earns.

    What a badge's `progress(self, history, **state)` returns, for `brabeion progress`. `target` must be above 0.
    """

    current: float
    target: float
    level: int | None = None


class ThresholdBadge(Badge):
    """A badge that awards a level when `value()` reaches its threshold. The base of the ready-made badges.

    `thresholds` has one number above 0 for each level, in rising order. `where` maps fields of the recorded state to
    the values that they must have in an event that counts, or to functions that say whether a value counts.
    """

    thresholds: ClassVar[Sequence[float]]
    where: ClassVar[Mapping[str, Any]] = {}

    def value(self, history: Any) -> float:
        """Return the number that is compared with the thresholds. `history` is the user's `History`."""
        raise NotImplementedError

    def award(self, **state: Any) -> BadgeAwarded | None:
        value = self.value(state["history"])
        level = sum(value >= threshold for threshold in self.thresholds)
        return BadgeAwarded(level) if level else None

    def progress(self, history: Any, **state: Any) -> Progress:
        """Return the value and the next threshold, or the last threshold if all are reached."""
        value = self.value(history)
        level = 1 + sum(value >= threshold for threshold in self.thresholds[:-1])
        return Progress(value, self.thresholds[level - 1], level)


class CountBadge(ThresholdBadge):
    """Awarded for a number of events.

    For example:

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
    """Awarded for the sum of a field: `field = "points"`, or `"order__total"` for the field `total` of `order`.

    Events without the field, or with null in it, add nothing. Text and booleans in it make the badge fail.
    """

    field: ClassVar[str]

    def value(self, history: Any) -> float:
        total: float = sum(history.sum(event, self.field, **self.where) for event in dict.fromkeys(self.events))
        return total


class DaysBadge(ThresholdBadge):
    """Awarded for a number of days with an event.

    `tz` is the time zone of the days, such as `"Europe/Berlin"`. None means the configured time zone.
    """

    tz: ClassVar[str | None] = None

    def value(self, history: Any) -> int:
        return int(history.days(*self.events, tz=self.tz, **self.where))


class StreakBadge(DaysBadge):
    """Awarded for a number of days in a row with an event. The user may miss `grace` days in total."""

    grace: ClassVar[int] = 0

    def value(self, history: Any) -> int:
        streak: int = history.streak(*self.events, tz=self.tz, grace=self.grace, **self.where)
        return streak
