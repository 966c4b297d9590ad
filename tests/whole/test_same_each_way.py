"""Live, deferred, or by replay after the fact: the same awards, for the same events, at the same moments."""

from __future__ import annotations

import json
import random
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from tests.support.lengths import lengths
from tests.support.project import Project

BADGES = """
    from brabeion_cli import badges
    from brabeion_cli.base import Badge, BadgeAwarded, CountBadge, DaysBadge, StreakBadge, SumBadge

    class Deferrable:
        async_ = DEFERRED

    @badges.register
    class Probe(Deferrable, Badge):
        slug = "probe"
        levels = ["One"]
        events = ["a", "b"]

        def award(self, **state):
            history = state["history"]
            other = history.of("alice" if state["user"] == "bob" else "bob")
            seen = [
                history.count("a"), history.count(), history.count("b", post__owner="7"), history.sum("a", "n"),
                history.days("a", "b"), history.streak("a", "b", tz="America/New_York", grace=1), other.count("a"),
                history.has("counted", 1), other.has("counted"), history.count("badge_awarded", badge="counted"),
            ]
            assert history.last(history.event.name).id == history.event.id
            return BadgeAwarded(key=f"{history.event.id}: {seen}")

    @badges.register
    class Counted(Deferrable, CountBadge):
        slug = "counted"
        levels = ["Bronze", "Silver", "Gold"]
        events = ["a"]
        thresholds = [2, 10, 30]
        where = {"post__tags": ["x"]}

    @badges.register
    class Summed(Deferrable, SumBadge):
        slug = "summed"
        levels = ["Bronze", "Silver"]
        events = ["a", "b"]
        field = "n"
        thresholds = [20, 100]
        cumulative = True

    @badges.register
    class Daily(Deferrable, StreakBadge):
        slug = "daily"
        levels = ["Three", "Five"]
        events = ["b"]
        thresholds = [3, 5]
        tz = "Europe/Berlin"

    @badges.register
    class Veteran(Deferrable, DaysBadge):
        slug = "veteran"
        levels = ["Five"]
        events = ["a", "b"]
        thresholds = [5]

    @badges.register
    class Collector(Deferrable, Badge):
        slug = "collector"
        levels = ["One"]
        events = ["badge_awarded"]
        multiple = True

        def award(self, **state):
            if state["badge"] not in ("probe", "collector"):
                return BadgeAwarded(key=f"{state['badge']} {state['level']}")
"""


def lines(count: int, *, ordered: bool) -> list[str]:
    """Two users around the night in which Berlin's clocks go forward, with equal times."""
    chosen = random.Random(7)
    start = datetime(2026, 3, 26, tzinfo=timezone.utc)
    hours = [chosen.randrange(0, 24 * 7, 3) for _ in range(count)]
    stream = []
    for number, hour in enumerate(sorted(hours) if ordered else hours):
        state = {
            "n": chosen.randrange(5),
            "post": {"owner": chosen.choice(["7", 7]), "tags": chosen.choice([["x"], []])},
        }
        stream.append(
            {
                "event": chosen.choice("ab"),
                "user": chosen.choice(["alice", "bob"]),
                "at": (start + timedelta(hours=hour)).isoformat(),
                "id": number,
                "state": state,
            }
        )
    return [json.dumps(line) + "\n" for line in stream]


def awards(project: Project) -> list[Any]:
    rows = project.ok("list", "--json").json
    keys = ("user", "badge", "level", "key", "awarded_at")
    return sorted(([*(row[key] for key in keys), row["event"]["id"]] for row in rows), key=repr)


def recorded(project: Project, name: str, stream: list[str], *, workers: int = 0, replay: bool = False) -> Any:
    """The awards of a stream, one way; in a database of its own."""
    project.badge(BADGES.replace("DEFERRED", str(workers > 0)))
    project.db = project.directory / name
    project.write("brabeion.toml", f'db = "{name}"\n')
    if replay:
        (project.directory / "none").mkdir(exist_ok=True)
        project.ok("--badges", "none", "ingest", stdin="".join(stream))
        project.ok("replay")
        return awards(project)
    half = len(stream) // 2
    for part in (stream[:half], stream[half:]):
        project.ok("ingest", stdin="".join(part))
        project.ok("process-queue", "--workers", workers or 1)
    return awards(project)


@pytest.mark.parametrize("count", lengths(60, 120))
def test_in_the_order_of_times_all_ways_agree(project: Project, count: int) -> None:
    stream = lines(count, ordered=True)

    live = recorded(project, "live.db", stream)

    assert len({badge for _, badge, *_ in live}) == 6
    assert recorded(project, "after.db", stream, replay=True) == live
    assert [row for row in recorded(project, "later.db", stream, workers=1) if row[1] != "probe"] == [
        row
        for row in live
        if row[1] != "probe"  # its key tells of awards, which are there only when the queue was run
    ]


@pytest.mark.parametrize("count", lengths(60, 120))
def test_out_of_order_deferred_is_live_and_replay_adds_what_hindsight_shows(project: Project, count: int) -> None:
    stream = lines(count, ordered=False)
    live = recorded(project, "live.db", stream)
    later = recorded(project, "later.db", stream, workers=1)

    assert [row for row in later if row[1] not in ("probe", "collector")] == [
        row for row in live if row[1] not in ("probe", "collector")
    ]
    assert project.ok("replay", "--json").json["awarded"] > 0
    with_hindsight = awards(project)
    assert {*map(repr, later)} < {*map(repr, with_hindsight)}
    assert project.ok("replay", "--json").json["awarded"] == 0
    assert awards(project) == with_hindsight


@pytest.mark.parametrize("async_", [False, True])
def test_a_second_try_dates_the_award_back(project: Project, async_: bool) -> None:
    project.simple_badge(
        "if state['history'].event.id == '3' and not os.path.exists('again'):\n    raise ValueError('once')\n"
        "return BadgeAwarded() if state['history'].count('it_happened') >= 3 else None",
        async_=async_,
    )  # fmt: skip
    project.simple_badge(
        "return BadgeAwarded()", slug="collector", events=["badge_awarded"], async_=async_, multiple=False
    )
    project.write("brabeion.toml", "retry_delay = 0\n")
    for number in range(1, 6):
        project.fire(at=f"2026-01-0{number}", id=number)
    project.run("process-queue", "--limit", 5 if async_ else 1)
    (project.directory / "again").touch()
    project.ok("process-queue")

    assert sorted((badge, event) for _, badge, _, _, _, event in awards(project)) == [("collector", "3"), ("one", "3")]
    assert project.ok("replay", "--json").json["awarded"] == 0


@pytest.mark.parametrize("deferred", [False, True])
def test_events_at_the_same_instant_from_many_processes_are_counted_once_each(project: Project, deferred: bool) -> None:
    project.simple_badge("return BadgeAwarded(key=str(state['history'].count('it_happened')))", async_=deferred)
    arguments = ["fire", "it_happened", "--user", "alice", "--at", "2026-03-29T01:30:00Z"]

    processes = [project.start(*arguments) for _ in range(12)]
    for process in processes:
        _, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
    project.ok("process-queue")

    assert sorted(int(key) for (key,) in project.sql('SELECT "key" FROM awards')) == list(range(1, 13))
    assert project.ok("replay", "--json").json["awarded"] == 0
