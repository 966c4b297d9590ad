"""`explain`, `progress`, `leaderboard`: answers for people."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.badge_texts import POINTS
from tests.support.project import Project

REGULAR = """
    from brabeion_cli import badges
    from brabeion_cli.base import CountBadge

    @badges.register
    class Regular(CountBadge):
        slug = "regular"
        levels = ["Bronze", "Silver"]
        events = ["visited", "returned"]
        thresholds = [3, 10]
"""


@pytest.fixture
def earned(project: Project) -> Project:
    project.badge(POINTS)
    project.badge(REGULAR, name="regular.py")
    lines = [
        {"event": "visited", "user": "alice", "id": f"v{day}", "at": f"2026-01-0{day}T10:00:00Z",
         "state": {"page": f"p{day}"}}
        for day in (1, 2, 3)
    ]  # fmt: skip
    last = {"event": "points_awarded", "user": "alice", "at": "2026-01-04", "state": {"points": 8000}}
    project.ok("ingest", stdin="\n".join(map(json.dumps, [*lines, last])))
    return project


def explained(project: Project, user: str, badge: str) -> tuple[list[str], Any]:
    told = project.ok("explain", "--user", user, "--badge", badge)
    assert told.err == ""
    return told.out.splitlines(), project.ok("explain", "--user", user, "--badge", badge, "--json").json


def test_why_a_badge_is_held(earned: Project) -> None:
    text, found = explained(earned, "alice", "regular")

    assert text == [
        "alice has regular: Bronze since 2026-01-03 10:00:00",
        '  for visited at 2026-01-03 10:00:00 (id v3), state {"page": "p3"}',
    ]
    assert (found["user"], found["badge"], found["status"], found["answer"]) == ("alice", "regular", "held", None)
    (award,) = found["awards"]
    assert (award["level"], award["level_name"], award["awarded_at"]) == (1, "Bronze", "2026-01-03T10:00:00.000000Z")
    assert award["event"] == {
        "name": "visited", "id": "v3", "at": "2026-01-03T10:00:00.000000Z", "user": "alice", "state": {"page": "p3"},
    }  # fmt: skip
    assert [(event["event"], event["count"]) for event in found["events"]] == [("visited", 3), ("returned", 0)]


def test_why_a_badge_was_given_and_revoked(earned: Project) -> None:
    earned.ok("award", "--user", "bob", "--badge", "points", "--level", "1", "--reason", "won the quiz")
    text, found = explained(earned, "bob", "points")
    assert text[1].startswith("  given by ")
    assert text[1].endswith(": won the quiz")
    assert found["awards"][0]["event"] is None

    earned.ok("revoke", "--user", "bob", "--badge", "points", "--reason", "void")
    text, found = explained(earned, "bob", "points")
    assert found["status"] == "revoked"
    assert text[0].startswith("bob had points: Bronze since ")
    assert text[2].startswith("  revoked at ")
    assert text[2].endswith(": void; it is not awarded again")


def test_an_award_that_a_replay_took_back(earned: Project) -> None:
    earned.badge(REGULAR.replace("[3, 10]", "[5, 10]"), name="regular.py")
    earned.ok("replay", "--prune")

    text, found = explained(earned, "alice", "regular")

    assert found["status"] == "revoked"
    assert text[2].endswith("by a replay: the rules no longer give it")


def test_why_not_yet(earned: Project) -> None:
    earned.fire("visited", {"user": "bob"}, at="2026-02-01", id="b1")

    text, found = explained(earned, "bob", "regular")

    assert text == [
        "bob does not have regular",
        "  1 visited, the last at 2026-02-01 00:00:00 (id b1), state {}",
        "  0 returned",
        "  asked now about visited at 2026-02-01 00:00:00 (id b1), award() returns None: not earned",
    ]
    assert (found["status"], found["answer"]["outcome"]) == ("not earned", "none")


def test_what_the_badge_would_answer_now(earned: Project) -> None:
    earned.badge(REGULAR.replace("regular", "eager").replace("[3, 10]", "[1, 9]"), name="eager.py")
    text, found = explained(earned, "alice", "eager")

    assert text[-1].endswith("returns eager: Bronze for alice; `brabeion replay --badge eager` awards what is missing")
    award = {"user": "alice", "level": 1, "level_name": "Bronze", "key": None, "held": False}
    assert found["answer"]["awards"] == [award]


def test_an_award_that_went_to_somebody_else_is_not_missing(earned: Project) -> None:
    earned.simple_badge("return BadgeAwarded(user='bob')", slug="kind")
    earned.fire()

    assert explained(earned, "alice", "kind")[0][-1].endswith("returns kind: One for bob, which is held")


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ("return 1 / 0", "ZeroDivisionError: division by zero (late.py:11)"),
        ("os._exit(0)", "its process ended with exit status 0"),
        ("raise SystemExit", "SystemExit (late.py:11)"),
    ],
)
def test_an_answer_that_fails_is_told(earned: Project, body: str, error: str) -> None:
    earned.simple_badge(body, slug="late", events=["visited"])

    text, found = explained(earned, "alice", "late")

    assert text[-1].endswith(f"award() fails: {error}")
    assert found["answer"]["outcome"] == "error"


def test_what_is_queued_or_dead(earned: Project) -> None:
    earned.simple_badge("raise ValueError('odd')", slug="late", async_=True)
    earned.fire(at="2026-02-01", id="x1")
    text, found = explained(earned, "alice", "late")
    assert found["status"] == "queued"
    assert text[0].startswith(
        "queued: late for alice, for it_happened at 2026-02-01 00:00:00 (id x1) (task 1, 0 attempts"
    )

    earned.write("brabeion.toml", "max_attempts = 1\n")
    earned.run("process-queue")
    text, found = explained(earned, "alice", "late")
    assert found["status"] == "dead"
    assert text[0].startswith("given up after 1 attempts: late for alice")
    assert text[0].endswith(": ValueError: odd (late.py:12)")
    assert text[1] == "  `brabeion queue retry 1` runs it again (task 1)"


def test_nobody_ever_fired_it(earned: Project) -> None:
    earned.simple_badge("return None", slug="typo", events=["visitd"])
    assert explained(earned, "alice", "typo")[0][1] == (
        "  there never was an event visitd, which the badge listens to (did you mean 'visited'?)"
    )
    text, found = explained(earned, "bob", "regular")
    assert text[1] == "  bob has no event visited or returned, which the badge listens to; other users have"
    assert (found["status"], found["near"]) == ("no events", None)


def test_nobody_was_ever_given_an_award(project: Project) -> None:
    project.simple_badge("return None", slug="collector", events=["badge_awarded"])
    project.ok("fire", "it_happened", "--user", "alice")

    text, found = explained(project, "alice", "collector")

    assert text[1] == "  there never was an event badge_awarded, which the badge listens to"
    assert found["near"] == ""


def test_what_is_not_shown_of_many_tasks_is_said(project: Project) -> None:
    project.simple_badge("return None", slug="late", async_=True)
    for _ in range(12):
        project.fire()

    text, _ = explained(project, "alice", "late")

    assert text[-1] == "… and 2 more; --json shows them"


def test_no_such_badge(earned: Project) -> None:
    result = earned.run("explain", "--user", "alice", "--badge", "regula")

    assert (result.status, result.out) == (2, "")
    assert "no badge 'regula' (did you mean 'regular'?); `brabeion badges` lists them" in result.err


def test_a_badge_that_is_gone_is_explained_from_the_record(earned: Project) -> None:
    (earned.directory / "badges/regular.py").unlink()

    assert explained(earned, "alice", "regular")[0][0] == "alice has regular: level 1 since 2026-01-03 10:00:00"


def test_collected_awards_are_explained(earned: Project) -> None:
    earned.simple_badge(
        "return BadgeAwarded() if state['badge'] == 'never' else None", slug="collector", events=["badge_awarded"]
    )

    text, _ = explained(earned, "alice", "collector")

    assert text[1].startswith("  2 badge_awarded, the last at 2026-01-04 00:00:00, state")
    assert '"badge": "points", "level": 2, "level_name": "Silver", "key": null' in text[1]


def test_progress_is_shown_closest_first(earned: Project) -> None:
    earned.badge(REGULAR.replace("regular", "other").replace("[3, 10]", "[1, 4]"), name="other.py")
    earned.simple_badge("return None", slug="mute")
    earned.badge(
        """
        from brabeion_cli import badges
        from brabeion_cli.base import Badge, Progress

        @badges.register
        class Half(Badge):
            slug = "half"
            levels = ["One"]
            events = ["visited"]

            def award(self, **state):
                return None

            def progress(self, history, **state):
                assert state == {"user": history.user, "page": "p3"} or history.user == "nobody", state
                return Progress(1.5, 3)
        """,
        name="half.py",
    )

    assert earned.ok("progress", "--user", "alice").out.splitlines() == [
        "badge    next    progress                        share",
        "other    Silver    3 of 4  ###############.....    75%",
        "half     One     1.5 of 3  ##########..........    50%",
        "regular  Silver   3 of 10  ######..............    30%",
    ]
    first = earned.ok("progress", "--user", "alice", "--json").json[0]
    assert first == {
        "badge": "other", "level": 2, "level_name": "Silver", "current": 3, "target": 4, "share": 0.75, "held": False,
    }  # fmt: skip
    nobody = earned.ok("progress", "--user", "nobody", "--json").json
    assert [(row["badge"], row["current"]) for row in nobody] == [("half", 1.5), ("other", 0), ("regular", 0)]


def test_names_and_numbers_of_other_types_are_plain_ones(project: Project) -> None:
    project.badge(
        """
        from enum import StrEnum
        from brabeion_cli import badges
        from brabeion_cli.base import Badge, BadgeAwarded, BadgeDetail, Progress

        class Level(StrEnum):
            ONE = "One"

        @badges.register
        class Odd(Badge):
            slug = "odd"
            levels = [BadgeDetail(Level.ONE, Level.ONE)]
            events = ["visited"]
            async_ = True

            def freeze(self, **state):
                return {"days": state["history"].days("visited")}

            def award(self, days, **state):
                return BadgeAwarded() if days >= 1 else None

            def progress(self, history, **state):
                return Progress(history.days("visited"), 2)
        """
    )
    project.fire("visited")

    assert project.ok("process-queue", "--json").json["awarded"] == 1
    assert project.ok("replay", "--json").json["awarded"] == 0
    assert project.ok("progress", "--user", "alice", "--json").json[0]["current"] == 1
    assert "alice has odd: One since" in project.ok("explain", "--user", "alice", "--badge", "odd").out


def test_what_is_reached_comes_last(earned: Project) -> None:
    earned.badge(REGULAR.replace("regular", "done").replace("[3, 10]", "[1, 2]"), name="done.py")
    earned.ok("replay")

    rows = earned.ok("progress", "--user", "alice").out.splitlines()

    assert [row.split()[0] for row in rows[1:]] == ["regular", "done"]
    assert rows[2].endswith("held")


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ("return 0.5", "progress() of badge 'odd' returned 0.5; it must return Progress(current, target), two numbers"),
        ("return Progress(1, 0)", "the second above 0, or None (odd.py:"),
        ("return Progress(float('nan'), 2)", "it must return Progress(current, target)"),
        ("return Progress(1, 2, level=5)", "it must return Progress(current, target)"),
        ("raise KeyError('x')", "KeyError: 'x' (odd.py:"),
        ("import os; os._exit(1)", "its process ended with exit status 1"),
    ],
)
def test_a_badge_that_fails_to_say_hides_no_other(earned: Project, body: str, error: str) -> None:
    earned.badge(
        f"""
        from brabeion_cli import badges
        from brabeion_cli.base import CountBadge, Progress

        @badges.register
        class Odd(CountBadge):
            slug, levels, events, thresholds = "odd", ["One"], ["visited"], [5]

            def progress(self, history, **state):
                {body}
        """,
        name="odd.py",
    )

    result = earned.run("progress", "--user", "alice", "--json")

    assert result.status == 1
    assert [row["badge"] for row in result.json] == ["regular"]
    assert "badge odd failed: " in result.err
    assert error in result.err


def test_progress_of_a_streak_that_is_not_over(project: Project) -> None:
    project.badge(
        """
        from brabeion_cli import badges
        from brabeion_cli.base import StreakBadge

        @badges.register
        class Daily(StreakBadge):
            slug, levels, events, thresholds = "daily", ["Week"], ["visited"], [7]
        """
    )
    lines = [{"event": "visited", "user": "alice", "at": f"2126-01-0{day}"} for day in (1, 2, 3)]
    project.ok("ingest", stdin="\n".join(map(json.dumps, lines)))

    assert project.ok("progress", "--user", "alice", "--json").json[0]["current"] == 3


def test_the_leaderboard(earned: Project) -> None:
    for user in ("bob", "carol"):
        earned.fire(
            "points_awarded", {"user": user, "points": 6000}, at="2026-01-05" if user == "carol" else "2026-01-06"
        )

    assert earned.ok("leaderboard").out.splitlines() == [
        "rank  user   awards  badges  last award",
        "   1  alice       2       2  2026-01-04 00:00:00",
        "   2  carol       1       1  2026-01-05 00:00:00",
        "   2  bob         1       1  2026-01-06 00:00:00",
    ]
    assert earned.ok("leaderboard", "--limit", "1", "--json").json == [
        {"rank": 1, "user": "alice", "awards": 2, "badges": 2, "last_awarded_at": "2026-01-04T00:00:00.000000Z"}
    ]
    assert [row["user"] for row in earned.ok("leaderboard", "--since", "2026-01-05", "--json").json] == [
        "carol",
        "bob",
    ]
    assert [row["user"] for row in earned.ok("leaderboard", "--badge", "regular", "--json").json] == ["alice"]
    earned.ok("revoke", "--user", "alice", "--badge", "points", "--reason", "void")
    assert earned.ok("leaderboard", "--json").json[0]["rank"] == 1
    assert "no awards" in earned.ok("leaderboard", "--until", "2020-01-01").err
