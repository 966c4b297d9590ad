"""Checks the definition of a badge, and finds all mistakes, not only the first one."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from brabeion_cli.base import Badge, BadgeDetail, DaysBadge, StreakBadge, SumBadge, ThresholdBadge

SLUG = re.compile(r"[a-z0-9][a-z0-9_-]{0,99}")
NAMES = (list, tuple, set, frozenset)
# Bits of code.co_flags; the module `inspect` has the same.
TAKES_KEYWORDS, IS_GENERATOR, IS_COROUTINE, IS_ASYNC_GENERATOR = 0x08, 0x20, 0x80, 0x200


class Mistake(NamedTuple):
    """One mistake in a definition. `attribute` is the wrong attribute, or None for the class as a whole."""

    attribute: str | None
    text: str


def definition_mistakes(badge: object) -> list[Mistake]:
    """Return the mistakes in a badge class. The list is empty if the class can be registered."""
    if not (isinstance(badge, type) and issubclass(badge, Badge)):
        return [Mistake(None, f"register() takes a subclass of Badge, not {badge!r:.80}")]
    return [
        *_slug_mistakes(badge),
        *_levels_mistakes(badge),
        *_events_mistakes(badge),
        *_switch_mistakes(badge),
        *_award_mistakes(badge),
        *(_threshold_mistakes(badge) if issubclass(badge, ThresholdBadge) else ()),
    ]


def _slug_mistakes(badge: type[Badge]) -> Iterable[Mistake]:
    slug = getattr(badge, "slug", None)
    if slug is None:
        yield Mistake("slug", 'has no slug; write slug = "a-short-name"')
    elif not isinstance(slug, str) or not SLUG.fullmatch(slug):
        yield Mistake(
            "slug", f"slug is {slug!r:.120}; it must be 1 to 100 of a-z, 0-9, - and _, a letter or digit first"
        )


def _levels_mistakes(badge: type[Badge]) -> Iterable[Mistake]:
    levels = getattr(badge, "levels", None)
    if levels is None:
        yield Mistake("levels", 'has no levels; write levels = ["Bronze", "Silver"] (or one name)')
    elif not isinstance(levels, (list, tuple)) or isinstance(levels, BadgeDetail):
        yield Mistake("levels", f"levels is {levels!r:.80}; it must be a list of names or BadgeDetail, lowest first")
    elif not levels:
        yield Mistake("levels", "levels is empty; a badge has at least one")
    else:
        for number, level in enumerate(levels, 1):
            name = level.name if isinstance(level, BadgeDetail) else level
            more = level[1:] if isinstance(level, BadgeDetail) else ()
            if not all(text is None or isinstance(text, str) for text in more):
                yield Mistake("levels", f"level {number} is {level!r:.80}; its description and image must be text")
            if not isinstance(name, str) or not name.strip():
                yield Mistake(
                    "levels", f"level {number} is {level!r:.80}; it must be a name or a BadgeDetail with a name"
                )


def _events_mistakes(badge: type[Badge]) -> Iterable[Mistake]:
    events = getattr(badge, "events", None)
    if events is None:
        yield Mistake("events", 'has no events; write events = ["points_awarded"]')
    elif isinstance(events, NAMES) and not events:
        yield Mistake("events", "events is empty; a badge listens to at least one")
    else:
        yield from _names_mistakes("events", events)
    yield from _names_mistakes("asks", badge.asks)


def _names_mistakes(attribute: str, names: object) -> Iterable[Mistake]:
    if not isinstance(names, NAMES):
        yield Mistake(attribute, f"{attribute} is {names!r:.80}; it must be a list of event names")
        return
    for name in names:
        if not isinstance(name, str) or not name:
            yield Mistake(attribute, f"event {name!r:.80} is not a name")


def _switch_mistakes(badge: type[Badge]) -> Iterable[Mistake]:
    for switch in ("multiple", "async_", "cumulative"):
        value = getattr(badge, switch)
        if not isinstance(value, bool):
            yield Mistake(switch, f"{switch} is {value!r:.80}; it must be True or False")
    levels = getattr(badge, "levels", None)
    if badge.multiple is True and isinstance(levels, (list, tuple)) and len(levels) > 1:
        yield Mistake("multiple", f"a multiple badge has exactly one level, this one has {len(levels)}")
    if hasattr(badge, "async"):
        yield Mistake("async", "write async_ instead of async (async is a keyword since Python 3.7)")


def _award_mistakes(badge: type[Badge]) -> Iterable[Mistake]:
    if badge.award is Badge.award:
        yield Mistake("award", "has no award(self, **state)")
    for name in ("award", "freeze", "progress"):
        if not callable(getattr(badge, name, badge.award)):
            yield Mistake(name, f"{name} is {getattr(badge, name)!r:.80}; it must be a method")
        code = getattr(getattr(badge, name, None), "__code__", None)
        if code is None:  # not a plain function: trust the author
            continue
        if code.co_flags & (IS_COROUTINE | IS_ASYNC_GENERATOR):
            yield Mistake(name, f"{name}() is an async def; write a plain def (async_ = True defers the badge)")
        elif code.co_flags & IS_GENERATOR:
            yield Mistake(name, f"{name}() yields; it must return")
        if not code.co_flags & TAKES_KEYWORDS:
            yield Mistake(
                name, f"{name}() must take **state: write def {name}(self, {'history, ' * (name == 'progress')}**state)"
            )


def _threshold_mistakes(badge: type[ThresholdBadge]) -> Iterable[Mistake]:
    if badge.value is ThresholdBadge.value and badge.award is ThresholdBadge.award:
        yield Mistake(None, "has no value(self, history); CountBadge, SumBadge, DaysBadge and StreakBadge have one")
    yield from _numbers_mistakes(badge)
    yield from _where_mistakes(badge)
    if issubclass(badge, SumBadge) and not (isinstance(getattr(badge, "field", None), str) and badge.field):
        yield Mistake("field", 'has no field; write the name of what is added up: field = "points"')
    if issubclass(badge, DaysBadge) and badge.tz is not None:
        from brabeion_cli.domain import timestamps

        try:
            timestamps.zone_of(badge.tz)
        except ValueError as error:
            yield Mistake("tz", str(error))
    if issubclass(badge, StreakBadge) and not (type(badge.grace) is int and badge.grace >= 0):
        yield Mistake("grace", f"grace is {badge.grace!r:.80}; it must be a number of days, 0 or more")


def _where_mistakes(badge: type[ThresholdBadge]) -> Iterable[Mistake]:
    where = badge.where
    if not isinstance(where, Mapping) or not all(isinstance(name, str) for name in where):
        yield Mistake("where", f'where is {where!r:.80}; write fields and their values: {{"is_own_post": False}}')
        return
    taken = {SumBadge: ("event", "field"), DaysBadge: ("tz",), StreakBadge: ("grace",)}
    for name in [name for kind, names in taken.items() if issubclass(badge, kind) for name in names if name in where]:
        yield Mistake("where", f"where has {name!r}, which the question itself takes; call that field another name")
    for name, value in where.items():
        if not (callable(value) or _is_json(value)):
            yield Mistake("where", f"where[{name!r}] is {value!r:.80}; it must be a JSON value, or a function")


def _is_json(value: object) -> bool:
    if isinstance(value, (list, tuple)):
        return all(map(_is_json, value))
    if isinstance(value, Mapping):
        return all(map(_is_json, value.values()))
    return value is None or isinstance(value, (str, int, float))


def _numbers_mistakes(badge: type[ThresholdBadge]) -> Iterable[Mistake]:
    thresholds, levels = getattr(badge, "thresholds", None), getattr(badge, "levels", None)
    if thresholds is None:
        yield Mistake("thresholds", "has no thresholds; write one number for each level: thresholds = [10, 100]")
    elif not isinstance(thresholds, (list, tuple)):
        yield Mistake(
            "thresholds", f"thresholds is {thresholds!r:.80}; it must be a list of numbers, one for each level"
        )
    elif isinstance(levels, (list, tuple)) and len(thresholds) != len(levels):
        yield Mistake("thresholds", f"thresholds is {thresholds!r:.80}; each of {len(levels)} levels needs one number")
    elif not all(type(number) in (int, float) and 0 < number < float("inf") for number in thresholds):
        yield Mistake("thresholds", f"thresholds is {thresholds!r:.80}; they must be numbers above 0")
    elif any(later <= earlier for earlier, later in itertools.pairwise(thresholds)):
        yield Mistake("thresholds", f"thresholds is {thresholds!r:.80}; they must rise, lowest level first")
