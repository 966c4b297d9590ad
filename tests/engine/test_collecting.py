"""Awards are events: badges that listen to `badge_awarded`."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.project import Project

BADGES = """
    from brabeion_cli import badges
    from brabeion_cli.base import Badge, BadgeAwarded, CountBadge

    class Counted(CountBadge):
        levels = ["Bronze", "Silver"]
        events = ["it_happened"]
        async_ = DEFERRED

    @badges.register
    class First(Counted):
        slug = "first"
        thresholds = [1, 3]

    @badges.register
    class Second(Counted):
        slug = "second"
        thresholds = [2, 3]

    @badges.register
    class Collector(CountBadge):
        slug = "collector"
        levels = ["Two awards", "Five awards"]
        events = ["badge_awarded"]
        thresholds = [2, 5]
        async_ = COLLECTED_LATER

    @badges.register
    class SilverOnly(Badge):
        slug = "silver-only"
        levels = ["One"]
        events = ["badge_awarded"]

        def award(self, **state):
            if state["level_name"] == "Silver":
                assert state["history"].has(state["badge"], 2)
                assert state["history"].event.name == "badge_awarded"
                return BadgeAwarded(key=state["badge"])
"""


def awards(project: Project) -> list[Any]:
    rows = project.ok("list", "--json").json
    return sorted((row["badge"], row["level"], row["key"], row["event"]["id"], row["awarded_at"][:10]) for row in rows)


EXPECTED = [
    ("collector", 1, None, "2", "2026-01-02"),
    ("collector", 2, None, "3", "2026-01-03"),
    ("first", 1, None, "1", "2026-01-01"),
    ("first", 2, None, "3", "2026-01-03"),
    ("second", 1, None, "2", "2026-01-02"),
    ("second", 2, None, "3", "2026-01-03"),
    ("silver-only", 1, "first", "3", "2026-01-03"),
    ("silver-only", 1, "second", "3", "2026-01-03"),
]


def stream(*days: int) -> str:
    lines = [{"event": "it_happened", "user": "alice", "id": day, "at": f"2026-01-{day:02}"} for day in days]
    return "\n".join(map(json.dumps, lines))


@pytest.mark.parametrize("deferred", [False, True])
@pytest.mark.parametrize("collected_later", [False, True])
def test_collecting_is_rewarded_in_the_same_way_live_and_deferred(
    project: Project, deferred: bool, collected_later: bool
) -> None:
    project.badge(BADGES.replace("DEFERRED", str(deferred)).replace("COLLECTED_LATER", str(collected_later)))

    project.ok("ingest", stdin=stream(1, 2, 3))
    project.ok("process-queue")

    assert awards(project) == EXPECTED


def test_fire_tells_of_all_of_them(project: Project) -> None:
    project.badge(BADGES.replace("DEFERRED", "False").replace("COLLECTED_LATER", "True"))
    results = [project.fire(at=f"2026-01-0{day}").json["results"] for day in (1, 2)]

    told = [[(row["badge"], row["outcome"]) for row in rows] for rows in results]
    assert told == [
        [("first", "awarded"), ("second", "none"), ("collector", "queued"), ("silver-only", "none")],
        [("first", "held"), ("second", "awarded"), ("collector", "queued"), ("silver-only", "none")],
    ]


def test_one_transaction_holds_the_award_and_what_it_leads_to(project: Project) -> None:
    project.simple_badge("return BadgeAwarded()", slug="one")
    project.simple_badge(
        "if not os.path.exists('survive'):\n    os.kill(os.getpid(), 9)\nreturn BadgeAwarded()",
        slug="collector", events=["badge_awarded"],
    )  # fmt: skip

    result = project.fire()

    assert [(row["badge"], row["outcome"]) for row in result.json["results"]] == [
        ("one", "awarded"),
        ("collector", "error"),
    ]
    assert project.sql("SELECT badge FROM awards") == [("one",)]
    (project.directory / "survive").touch()
    assert project.ok("process-queue", "--json").json["awarded"] == 1
    assert project.sql("SELECT badge, event_number, position FROM awards ORDER BY 3") == [
        ("one", 1, 1),
        ("collector", 1, 2),
    ]


def test_the_award_of_somebody_else_is_an_event_of_theirs(project: Project) -> None:
    project.simple_badge("return BadgeAwarded(user='bob')", slug="one")
    project.simple_badge(
        "assert state['user'] == state['history'].user == 'bob'\n"
        "return BadgeAwarded(key=str(state['history'].count('badge_awarded'))) if state['badge'] == 'one' else None",
        slug="collector", events=["badge_awarded"], name="two.py",
    )  # fmt: skip

    assert project.fire().status == 0
    assert ("bob", "collector", "1") in project.sql('SELECT "user", badge, "key" FROM awards')


ENDLESS = "return BadgeAwarded(key=str(state['history'].count('badge_awarded')))"


@pytest.mark.parametrize("async_", [False, True])
def test_a_loop_is_stopped_with_a_clear_error(project: Project, async_: bool) -> None:
    project.simple_badge("return BadgeAwarded()", slug="one")
    project.simple_badge(ENDLESS, slug="loop", events=["badge_awarded"], async_=async_)

    result = project.fire()
    if async_:
        result = project.run("process-queue")

    assert result.status == 1
    text = result.out + result.err
    assert "an award led to an award 20 times in a row; a badge that listens to badge_awarded must not" in text
    assert "another try" not in text  # there is no task
    assert project.sql("SELECT count(*) FROM awards") == [(21,)]
    assert project.sql("SELECT count(*) FROM tasks") == [(0,)]


def test_a_loop_in_a_stream_is_not_said_to_be_queued(project: Project) -> None:
    project.simple_badge("return BadgeAwarded()", slug="one")
    project.simple_badge(ENDLESS, slug="loop", events=["badge_awarded"])

    result = project.run("ingest", stdin='{"event": "it_happened", "user": "alice"}')

    assert result.status == 1
    assert "line 1: badge loop failed: not asked: an award led to an award 20 times in a row" in result.err
    assert "queued for another try" not in result.err


def test_a_multiple_badge_is_earned_by_each_award(project: Project) -> None:
    for slug in ("one", "two"):
        project.simple_badge("return BadgeAwarded()", slug=slug)
    project.simple_badge(
        "return BadgeAwarded() if state['badge'] != 'medal' else None",
        slug="medal", events=["badge_awarded"], multiple=True,
    )  # fmt: skip
    project.fire()

    assert project.sql("SELECT count(*), count(DISTINCT occasion) FROM awards WHERE badge = 'medal'") == [(2, 2)]
    assert "is sound" in project.ok("db", "verify").out


def test_nobody_fires_an_award(project: Project) -> None:
    project.simple_badge("return BadgeAwarded()")

    result = project.run("fire", "badge_awarded", "--user", "alice")

    assert (result.status, result.out) == (2, "")
    assert "badge_awarded is the event that stands for an award, and cannot be fired; choose another name" in result.err
