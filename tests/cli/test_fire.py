"""`brabeion fire`, from the outside."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from tests.support.project import Project


def test_the_documented_json(points_project: Project) -> None:
    points_project.simple_badge("return 1 / 0", slug="odd", name="odd.py", events=["points_awarded"])
    points_project.simple_badge("return BadgeAwarded()", slug="addict", events=["points_awarded"], async_=True)

    result = points_project.fire("points_awarded", {"points": 8000}, at="2026-11-22T18:19:00.123456Z")

    assert result.status == 1
    assert result.json == {
        "event": {
            "name": "points_awarded",
            "user": "alice",
            "at": "2026-11-22T18:19:00.123456Z",
            "id": None,
            "duplicate": False,
        },
        "results": [
            {"badge": "addict", "outcome": "queued", "task": 1},
            {
                "badge": "points",
                "outcome": "awarded",
                "user": "alice",
                "level": 2,
                "level_name": "Silver",
                "key": None,
            },
            {
                "badge": "odd",
                "outcome": "error",
                "error": "ZeroDivisionError: division by zero",
                "where": "odd.py:11",
                "task": 2,
            },
        ],
    }


def test_people_read_what_happened(points_project: Project) -> None:
    fired = ("fire", "points_awarded", "--user", "alice", "--state", '{"points": 8000}')

    first, again = points_project.ok(*fired), points_project.ok(*fired)

    assert (first.out, first.err) == ("alice earned points: Silver\n", f"created {points_project.db}\n")
    assert (again.out, again.err) == ("alice already has points: Silver\n", "")
    assert points_project.ok("fire", "points_awarded", "--user", "b", "--state", '{"points": 1}').out == (
        "recorded points_awarded for b; nothing earned\n"
    )


def test_the_state_comes_from_a_file_or_stdin(points_project: Project) -> None:
    text = '{"user": "alice", "points": 6000}'
    points_project.write("state.json", "\ufeff" + text)

    assert "earned points: Bronze" in points_project.ok("fire", "points_awarded", "--state", "@state.json").out
    assert "already has" in points_project.ok("fire", "points_awarded", "--state", "-", stdin=text).out


def test_a_duplicate_is_no_error(points_project: Project) -> None:
    first = points_project.fire("points_awarded", {"points": 6000}, id="a-1")
    again = points_project.fire("points_awarded", {"points": 6000}, id="a-1")

    assert (again.status, again.json["results"]) == (0, [])
    assert again.json["event"] == first.json["event"] | {"duplicate": True}
    assert points_project.sql("SELECT count(*) FROM events") == [(1,)]


def test_the_same_id_with_other_content_is_an_error(points_project: Project) -> None:
    points_project.fire("points_awarded", {"points": 6000}, id="a-1")
    other = points_project.fire("points_awarded", {"points": 6001}, id="a-1")

    assert other.status == 2
    assert "id 'a-1' is taken by an event with another state" in other.err


@pytest.mark.parametrize("known", [False, True])
def test_a_dry_run_records_nothing(points_project: Project, known: bool) -> None:
    if known:
        points_project.fire("points_awarded", {"points": 1})
    before = points_project.sql("SELECT * FROM events") if known else None

    result = points_project.ok(
        "fire", "points_awarded", "--dry-run", "--json", "--user", "a", "--state", '{"points": 8000}'
    )

    assert result.json["dry_run"] is True
    assert result.json["results"][0]["outcome"] == "awarded"
    if known:
        assert points_project.sql("SELECT * FROM events") == before
    else:
        assert not points_project.db.exists()


def test_an_event_nobody_listens_to_is_recorded_and_said(points_project: Project) -> None:
    result = points_project.run("fire", "point_awarded", "--user", "a")

    assert result.status == 0
    assert "no badge listens to 'point_awarded' (did you mean 'points_awarded'?)" in result.err
    assert points_project.sql("SELECT name FROM events") == [("point_awarded",)]


def test_strict_refuses_an_event_nobody_listens_to(points_project: Project) -> None:
    points_project.fire("points_awarded", {"points": 1})
    result = points_project.run("fire", "point_awarded", "--user", "a", "--strict")

    assert result.status == 2
    assert "did you mean 'points_awarded'" in result.err
    assert points_project.sql("SELECT count(*) FROM events") == [(1,)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--state", "{"], "not JSON"),
        (["--state", "[]"], "the state is an array"),
        (["--state", "NaN"], "NaN is not JSON"),
        (["--state", '{"user": "a", "x": 1e999}'], "out of range"),
        (["--state", '{"user": "a", "x": "\\ud800"}'], "lone surrogate"),
        (["--state", '{"user": "a", "x": "\\u0000"}'], "NUL"),
        (["--state", "[" * 100_000], "nested deeper than 200"),
        (["--state", '{"user": "a", "history": 1}'], "reserved"),
        (["--state", "@nowhere.json"], "cannot read the state from nowhere.json: No such file"),
        (["--state", "-"], "not UTF-8 at byte 1"),
        ([], "no user"),
        (["--user", ""], "user is empty"),
        (["--user", b"\xff"], "lone surrogate"),
        (["--user", "a", "--at", "noon"], "at is 'noon'"),
        (["--user", "a", "--id", ""], "id is empty"),
        (["--user", "a", "--nonsense"], "No such option"),
    ],
)
def test_bad_input_records_nothing_and_exits_2(points_project: Project, arguments: list[object], message: str) -> None:
    decoded = [os.fsdecode(value) if isinstance(value, bytes) else value for value in arguments]
    result = points_project.run("fire", "points_awarded", *decoded, stdin=b"\xff")

    assert result.status == 2
    assert message in result.err
    assert "Traceback" not in result.err
    assert result.out == ""
    assert not points_project.db.exists()


def test_a_state_that_is_too_long_is_refused(points_project: Project) -> None:
    state = json.dumps({"user": "a", "points": 1, "x": "y" * 2**20})

    result = points_project.run("fire", "points_awarded", "--state", "-", stdin=state)

    assert result.status == 2
    assert "at most 1,048,576 are recorded" in result.err


def test_no_event_name_is_wrong_usage(points_project: Project) -> None:
    assert points_project.run("fire").status == 2
    assert points_project.run("fier", "x").status == 2


def test_a_missing_badge_directory_is_a_matter_of_setup(tmp_path: Path) -> None:
    bare = Project(tmp_path)
    (tmp_path / "badges").rmdir()

    result = bare.run("fire", "x", "--user", "a")

    assert result.status == 78
    assert "brabeion init" in result.err
    assert not bare.db.exists()


@pytest.mark.parametrize(
    ("env", "user"),
    [
        ({"LC_ALL": "C"}, "Ærøskøbing 🏅 عربي"),
        ({"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, "Zoë"),
        ({"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii"}, "\\x"),
    ],
)
def test_any_locale_round_trips(points_project: Project, env: dict[str, str], user: str) -> None:
    state = json.dumps({"user": user, "points": 8000}, ensure_ascii=False)
    result = points_project.run("fire", "points_awarded", "--state", "-", "--json", stdin=state, env=env)

    assert result.json["event"]["user"] == user
    assert points_project.run("list", "--json", env=env).json[0]["user"] == user
    assert points_project.run("list", "--json", "--user", user, env=env).json[0]["user"] == user
    assert points_project.run("list", env=env).status == 0


def test_debug_shows_the_traceback_and_nothing_else_does(points_project: Project) -> None:
    points_project.write("brabeion.db", "text")

    plain = points_project.run("fire", "points_awarded", "--user", "a")
    debug = points_project.run("--debug", "fire", "points_awarded", "--user", "a")

    assert (plain.status, debug.status) == (78, 78)
    assert "Traceback" not in plain.err
    assert "Traceback" in debug.err
    assert "ForeignDatabaseError" in debug.err


def test_a_caller_that_ignores_its_children_does_no_harm(points_project: Project) -> None:
    process = points_project.start(
        "fire", "points_awarded", "--user", "a", "--state", '{"points": 1}',
        preexec_fn=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN),
    )  # fmt: skip
    process.communicate()

    assert process.returncode == 0


def test_closed_streams_do_no_harm(points_project: Project) -> None:
    for redirection in ("<&-", ">&-", "2>&-", "<&- >&- 2>&-"):
        command = " ".join(points_project.command("fire", "points_awarded", "--user", "a"))
        assert os.waitstatus_to_exitcode(
            os.system(f"cd {points_project.directory} && {command} {redirection} 2>/dev/null")
        ) in (0, 1)
    assert points_project.sql("SELECT count(*) FROM events") == [(4,)]
