"""`CountBadge`, `SumBadge`, `DaysBadge`, `StreakBadge`: what they award, their progress, and mistakes in them."""

from __future__ import annotations

from typing import Any

import pytest

from brabeion_cli.base import Badge, CountBadge, DaysBadge, Progress, StreakBadge, SumBadge, ThresholdBadge
from brabeion_cli.domain import events
from brabeion_cli.engine.event_processor import EventProcessor
from brabeion_cli.engine.session import Session
from brabeion_cli.project.registry import Registry
from brabeion_cli.project.validation import definition_mistakes
from brabeion_cli.sandbox.guard import Guard
from brabeion_cli.store.store import Store
from tests.support.badge_texts import POINTS
from tests.support.moments import NOW
from tests.support.project import Project

BASIS = {"slug": "ready", "levels": ["Bronze", "Silver"], "events": ["e", "f"], "thresholds": [2, 4]}


def levels(registry: Registry, store: Store, base: type[Badge], stream: list[Any], **attributes: Any) -> list[Any]:
    """The level that each event of a stream (name, at, state) earns, None for none."""
    registry.register(type("Made", (base,), BASIS | attributes))
    earned = []
    with Guard(5) as guard:
        for name, at, state in stream:
            made = events.make(name, state, user="alice", at=at, now=NOW, max_bytes=1000)
            with store.transaction():
                recorded = EventProcessor(Session(registry, store, guard, "Europe/Berlin")).record(made, NOW)
            earned.append([outcome.level for outcome in recorded.outcomes if outcome.outcome == "awarded"])
    return [found[0] if found else None for found in earned]


def on_days(*days: int) -> list[Any]:
    return [("e", f"2026-01-{day:02}T23:30:00Z", {"n": day}) for day in days]


def test_counting(registry: Registry, store: Store) -> None:
    stream = [("e", "2026-01-01", {}), ("f", "2026-01-01", {}), *on_days(1, 1, 1)]

    assert levels(registry, store, CountBadge, stream) == [None, 1, None, 2, None]


def test_any_other_field_may_be_called_anything(registry: Registry, store: Store) -> None:
    stream = [("e", "2026-01-01", {"tz": 1, "event": 2})]

    assert levels(registry, store, CountBadge, stream * 2, where={"tz": 1, "event": 2}) == [None, 1]


def test_counting_where(registry: Registry, store: Store) -> None:
    stream = [("e", "2026-01-01", {"own": own}) for own in (False, True, False, 0)]

    assert levels(registry, store, CountBadge, stream, where={"own": False}) == [None, None, 1, None]


def test_adding_up(registry: Registry, store: Store) -> None:
    stream = [("e", "2026-01-01", {"order": {"total": total}}) for total in (1.5, 0.25, 0.25, 5)]

    assert levels(registry, store, SumBadge, stream, field="order__total") == [None, None, 1, 2]


def test_adding_up_may_pass_over_a_level(registry: Registry, store: Store) -> None:
    assert levels(registry, store, SumBadge, [("f", "2026-01-01", {"n": 9})], field="n") == [2]
    assert store.database.execute_sql("SELECT level FROM awards").fetchall() == [(2,)]


def test_days_begin_where_the_configuration_says(registry: Registry, store: Store) -> None:
    stream = [("f", "2026-01-02T12:00:00Z", {}), *on_days(1, 2, 9, 9, 10)]  # 23:30 is the next day in Berlin

    assert levels(registry, store, DaysBadge, stream) == [None, None, 1, None, None, 2]


def test_a_streak_begins_anew(registry: Registry, store: Store) -> None:
    assert levels(registry, store, StreakBadge, on_days(1, 2, 4, 5, 6, 7)) == [None, 1, None, None, None, 2]


def test_a_streak_with_grace(registry: Registry, store: Store) -> None:
    stream = on_days(1, 3, 4, 5, 7)

    assert levels(registry, store, StreakBadge, stream, grace=1, tz="UTC") == [None, 1, None, 2, None]


def test_progress_is_towards_the_next_level() -> None:
    class Made(ThresholdBadge):
        thresholds = (2, 4)

        def value(self, history: Any) -> float:
            return float(history)

    steps = [Made().progress(value) for value in (0, 1, 2, 3, 4, 5)]

    assert steps == [Progress(0, 2, 1), (1, 2, 1), (2, 4, 2), (3, 4, 2), (4, 4, 2), (5, 4, 2)]


@pytest.mark.parametrize(
    ("base", "attributes", "mistake"),
    [
        (CountBadge, {"thresholds": None}, "has no thresholds; write one number for each level"),
        (CountBadge, {"thresholds": [1]}, "thresholds is [1]; each of 2 levels needs one number"),
        (CountBadge, {"thresholds": [0, 1]}, "thresholds is [0, 1]; they must be numbers above 0"),
        (CountBadge, {"thresholds": [True, 2]}, "they must be numbers above 0"),
        (CountBadge, {"thresholds": ["1", "2"]}, "they must be numbers above 0"),
        (CountBadge, {"thresholds": [5, 5]}, "they must rise, lowest level first"),
        (CountBadge, {"where": ["own"]}, "where is ['own']; write fields and their values"),
        (SumBadge, {}, 'has no field; write the name of what is added up: field = "points"'),
        (StreakBadge, {"tz": "Mars/Phobos"}, "no time zone 'Mars/Phobos'"),
        (StreakBadge, {"grace": -1}, "grace is -1; it must be a number of days, 0 or more"),
        (StreakBadge, {"grace": "1"}, "grace is '1'"),
        (StreakBadge, {"tz": 5}, "no time zone '5'"),
        (StreakBadge, {"where": {"grace": 1}}, "where has 'grace', which the question itself takes"),
        (SumBadge, {"field": "n", "where": {"event": 1}}, "where has 'event'"),
        (CountBadge, {"where": {"n": {1}}}, "where['n'] is {1}; it must be a JSON value, or a function"),
        (CountBadge, {"thresholds": 5}, "thresholds is 5; it must be a list of numbers"),
        (CountBadge, {"thresholds": [1, float("inf")]}, "they must be numbers above 0"),
        (CountBadge, {"progress": 5}, "progress is 5; it must be a method"),
        (ThresholdBadge, {}, "has no value(self, history)"),
        (CountBadge, {"progress": lambda self, history: None}, "write def progress(self, history, **state)"),
    ],
)
def test_mistakes_are_told(base: type[Badge], attributes: dict[str, Any], mistake: str) -> None:
    found = definition_mistakes(type("Made", (base,), BASIS | attributes))

    assert [mistake in text for _, text in found] == [True]


def test_ready_made_badges_are_right_as_they_are() -> None:
    for base in (CountBadge, DaysBadge, StreakBadge):
        assert definition_mistakes(type("Made", (base,), BASIS)) == []
    assert definition_mistakes(type("Made", (SumBadge,), BASIS | {"field": "n"})) == []


def test_they_can_be_imported_from_everywhere(project: Project) -> None:
    project.badge(POINTS)
    names = "Badge, BadgeAwarded, BadgeDetail, CountBadge, DaysBadge, Progress, StreakBadge, SumBadge"
    for number, module in enumerate(("brabeion", "brabeion_cli", "brabeion.base", "brabeion_cli.base")):
        project.badge(f"from {module} import {names}\n", name=f"imports{number}.py")

    assert project.fire("points_awarded", {"points": 6000}).status == 0
