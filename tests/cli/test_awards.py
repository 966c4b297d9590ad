"""`list`, `badges`, `award`, `revoke`, and how rows are shown."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import time
from typing import Any

import pytest

from brabeion_cli.cli import output
from brabeion_cli.domain.grants import Grant
from brabeion_cli.domain.timestamps import moment
from brabeion_cli.store.store import open_store
from tests.support.badge_texts import POINTS
from tests.support.moments import NOW
from tests.support.project import Project


@pytest.fixture
def keyed(project: Project) -> Project:
    project.badge(POINTS)
    project.simple_badge("return BadgeAwarded(key=state['k'])", slug="keyed", levels=["Nice"], multiple=True)
    return project


@pytest.fixture
def awarded(keyed: Project) -> Project:
    history = (("alice", 6000, 1), ("alice", 11000, 3), ("bob", 8000, 2), ("bob", 9000, 4))
    lines = [
        {
            "event": "points_awarded",
            "user": user,
            "id": f"{user}-{day}",
            "at": f"2026-11-0{day}T12:00:00Z",
            "state": {"points": total},
        }
        for user, total, day in history
    ]
    keyed.ok("ingest", stdin="\n".join(map(json.dumps, lines)))
    return keyed


def listed(project: Project, *arguments: object) -> list[tuple[str, int]]:
    return [(row["user"], row["level"]) for row in project.ok("list", "--json", *arguments).json]


def test_the_documented_json(awarded: Project) -> None:
    awarded.badge(
        POINTS.replace('"Gold"', 'BadgeDetail("Gold", "a lot")').replace("import Badge,", "import Badge, BadgeDetail,")
    )

    first = awarded.ok("list", "--format", "json").json[0]

    assert first == {
        "user": "alice",
        "badge": "points",
        "level": 3,
        "level_name": "Gold",
        "description": "a lot",
        "key": None,
        "awarded_at": "2026-11-03T12:00:00.000000Z",
        "event": {"name": "points_awarded", "id": "alice-3", "at": "2026-11-03T12:00:00.000000Z"},
    }


@pytest.mark.parametrize(
    ("arguments", "rows"),
    [
        ([], [("alice", 3), ("bob", 2), ("alice", 1)]),
        (["--user", "alice"], [("alice", 3), ("alice", 1)]),
        (["--user", "nobody"], []),
        (["--badge", "points", "--level", "2"], [("bob", 2)]),
        (["--level", "gold"], [("alice", 3)]),
        (["--since", "2026-11-02T12:00:00Z"], [("alice", 3), ("bob", 2)]),
        (["--until", "2026-11-02T12:00:00Z"], [("alice", 1)]),
        (["--since", "2026-11-02", "--until", "2026-11-03"], [("bob", 2)]),
        (["--limit", "1"], [("alice", 3)]),
        (["--highest"], [("alice", 3), ("bob", 2)]),
        (["--highest", "--level", "1"], []),
    ],
)
def test_filters(awarded: Project, arguments: list[str], rows: list[tuple[str, int]]) -> None:
    assert listed(awarded, *arguments) == rows


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--since", "yesterday"], "--since is 'yesterday'; write ISO 8601"),
        (["--limit", "9" * 20], "is too large"),
        (["--level", "Sliver"], "no badge has a level 'Sliver' (did you mean 'Silver'?)"),
        (["--limit", "0"], "'0' is not a whole number, 1 or more"),
        (["--format", "xml"], "xml"),
        (["--json", "--format", "csv"], "contradict"),
    ],
)
def test_wrong_filters(awarded: Project, arguments: list[str], message: str) -> None:
    result = awarded.run("list", *arguments)

    assert result.status == 2
    assert message in result.err


def test_equal_moments_have_a_fixed_order(keyed: Project) -> None:
    for key in ("b", "a", "c"):
        keyed.fire(state={"k": key, "user": "zoe"}, at="2026-01-01")
    keyed.fire(state={"k": "a"}, at="2026-01-01")

    assert [(row["user"], row["key"]) for row in keyed.ok("list", "--json").json] == [
        ("alice", "a"),
        ("zoe", "a"),
        ("zoe", "b"),
        ("zoe", "c"),
    ]


def test_ndjson_and_csv(awarded: Project) -> None:
    rows = awarded.ok("list", "--json").json

    assert [json.loads(text) for text in awarded.ok("list", "--format", "ndjson").out.splitlines()] == rows
    table = list(csv.DictReader(io.StringIO(awarded.ok("list", "--format", "csv").out)))
    assert [(row["user"], row["level"], row["event_id"]) for row in table] == [
        (row["user"], str(row["level"]), row["event"]["id"]) for row in rows
    ]


NASTY = [
    "[alice]",
    "[/b]",
    "=1+1",
    "@SUM(A1)",
    " -2",
    "a\tb",
    "tab\n=2",
    "\x1b[31mred",
    "\u202eevil",
    "a" * 200,
    "👩\u200d🔬",
    "é",
    "\x9b1m",
]


def test_what_users_typed_is_shown_and_does_nothing(keyed: Project) -> None:
    lines = [{"event": "points_awarded", "user": user, "state": {"points": 6000}} for user in NASTY]
    keyed.ok("ingest", stdin="\n".join(map(json.dumps, lines)))

    assert {row["user"] for row in keyed.ok("list", "--json").json} == set(NASTY)
    plain = keyed.ok("list").out
    assert len(plain.splitlines()) == len(NASTY) + 1
    for shown in ("[alice]", "[/b]", "\\x1b[31mred", "\\u202eevil", "a" * 200, "tab\\n=2", "👩\u200d🔬", "\\x9b1m"):
        assert shown in plain
    cells = [row["user"] for row in csv.DictReader(io.StringIO(keyed.ok("list", "--format", "csv").out))]
    assert sorted(cells) == sorted("'" + user if user in ("=1+1", "@SUM(A1)", " -2") else user for user in NASTY)


def test_a_terminal_gets_a_drawn_table(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "40")

    output.table(("user", "n"), [("[alice]", 1), ("\x1b[0m" + "x" * 50, 22)], numbers=("n",))

    shown = capsys.readouterr().out
    assert "─" in shown
    assert "[alice]" in shown
    assert "\\x1b[0m" in shown
    assert shown.count("x") == 50 + 1


def test_an_answer_is_whole_where_its_pipe_does_not_wait(awarded: Project) -> None:
    with open_store(str(awarded.db)) as store, store.transaction():
        for key in range(3000):
            store.awards.add(Grant("zoe", "points", 1, str(key)), moment(NOW), None, "root", "because")
    reader, writer = os.pipe()
    os.set_blocking(writer, False)

    process = awarded.start("list", "--user", "zoe", "--format", "csv", stdout=writer)
    os.close(writer)
    time.sleep(0.5)  # it fills meanwhile
    with open(reader, "rb") as pipe:
        lines = pipe.read().splitlines()
    process.communicate()

    assert (process.returncode, len(lines)) == (0, 3001)


@pytest.mark.parametrize("command", ["list", "badges", "list --format csv", "queue list", "check"])
def test_an_answer_that_nobody_can_take(awarded: Project, command: str) -> None:
    line = " ".join(awarded.command(command))
    for redirection, statuses in ((">&-", (0,)), (">/dev/full", (0, 1))):
        whole = f"cd {awarded.directory} && {line} {redirection}"
        done = subprocess.run(["sh", "-c", whole], stderr=subprocess.PIPE, check=False)
        assert done.returncode in statuses, done
        assert b"Traceback" not in done.stderr
        assert b"defect" not in done.stderr


@pytest.mark.parametrize(
    "command",
    [
        "list --user",
        "list --badge",
        "leaderboard --badge",
        "revoke --user alice --reason x --badge",
        "revoke --user alice --reason x --badge points --key",
    ],
)
def test_a_name_that_is_no_text_is_bad_input(awarded: Project, command: str) -> None:
    result = awarded.run(*command.split(), os.fsdecode(b"\xff"))

    assert (result.status, "lone surrogate" in result.err) == (2, True)


def test_what_users_typed_forges_no_line_of_a_message(keyed: Project) -> None:
    result = keyed.run("fire", "points_awarded", "--user", "a\nError: all is lost", "--state", "{}")

    assert result.out == "recorded points_awarded for a\\nError: all is lost\n"
    assert keyed.run("fire", "x\nError: y", "--user", "a").err.count("\n") == 1


def test_a_pipe_that_closes_early_is_no_defect(awarded: Project) -> None:
    process = awarded.start("list")
    assert process.stdout is not None
    process.stdout.close()
    process.stdout = None
    _, err = process.communicate()

    assert b"Traceback" not in err


def test_awards_of_a_badge_that_is_gone_are_listed(awarded: Project) -> None:
    (awarded.directory / "badges/badge.py").unlink()

    assert awarded.ok("list", "--json").json[0] | {"event": 0} == {
        "user": "alice", "badge": "points", "level": 3, "level_name": None, "description": None, "key": None,
        "awarded_at": "2026-11-03T12:00:00.000000Z", "event": 0,
    }  # fmt: skip


def test_the_catalogue_counts_holders_and_shares(awarded: Project) -> None:
    awarded.fire("seen", {"user": "carol"})
    rows = awarded.ok("badges", "--json").json

    assert [(row["badge"], row["level"], row["holders"], row["share"]) for row in rows] == [
        ("points", 1, 1, 0.333333),
        ("points", 2, 1, 0.333333),
        ("points", 3, 1, 0.333333),
        ("keyed", 1, 0, 0.0),
    ]
    assert rows[3] | {"level_name": "Nice", "events": ["it_happened"], "multiple": True} == rows[3]
    assert "33.3%" in awarded.ok("badges").out


def give(project: Project, *arguments: object) -> Any:
    return project.run("award", "--reason", "won the quiz", "--json", *arguments)


def test_an_award_by_hand_knows_giver_and_reason(awarded: Project) -> None:
    given = give(awarded, "--user", "dora", "--badge", "points", "--level", "silver", "--by", "carl")

    assert given.json == {
        "results": [
            {"badge": "points", "outcome": "awarded", "user": "dora", "level": 2, "level_name": "Silver", "key": None}
        ]
    }
    (row,) = awarded.ok("list", "--user", "dora", "--json").json
    assert (row["event"], row["given_by"], row["reason"]) == (None, "carl", "won the quiz")
    assert "by carl: won the quiz" in awarded.ok("list", "--user", "dora").out
    assert give(awarded, "--user", "dora", "--badge", "points", "--level", 2).json["results"][0]["outcome"] == "held"
    assert awarded.fire("points_awarded", {"user": "dora", "points": 8000}).json["results"][0]["outcome"] == "held"


def test_a_multiple_badge_may_be_given_again(keyed: Project) -> None:
    keyed.fire(state={"k": None})
    for _ in range(2):
        assert give(keyed, "--user", "a", "--badge", "keyed").json["results"][0]["outcome"] == "awarded"
    for outcome in ("awarded", "held"):
        assert give(keyed, "--user", "a", "--badge", "keyed", "--key", "x").json["results"][0]["outcome"] == outcome
    assert keyed.ok("process-queue").status == 0


def test_a_revoked_award_stays_on_record_and_is_not_awarded_again(awarded: Project) -> None:
    revoked = awarded.ok(
        "revoke", "--user", "bob", "--badge", "points", "--reason", "cheated", "--by", "carl", "--json"
    )

    assert revoked.json == {"revoked": [{"user": "bob", "badge": "points", "level": 2, "key": None}]}
    assert listed(awarded, "--user", "bob") == []
    assert awarded.sql("SELECT revoked_by, revoked_because, event_number FROM awards WHERE \"user\" = 'bob'") == [
        ("carl", "cheated", 3)
    ]
    again = awarded.fire("points_awarded", {"user": "bob", "points": 9000})
    assert (again.status, again.json["results"][0]["outcome"]) == (0, "revoked")
    assert give(awarded, "--user", "bob", "--badge", "points", "--level", 2).json["results"][0]["outcome"] == "revoked"
    assert listed(awarded, "--user", "bob") == []
    assert awarded.ok("revoke", "--user", "bob", "--badge", "points", "--reason", "x", "--json").json == {"revoked": []}


def test_one_level_or_key_is_revoked_alone(awarded: Project) -> None:
    awarded.ok("revoke", "--user", "alice", "--badge", "points", "--level", "Gold", "--reason", "x")
    assert listed(awarded, "--user", "alice") == [("alice", 1)]
    for key in ("a", "b"):
        awarded.fire(state={"k": key})
    awarded.ok("revoke", "--user", "alice", "--badge", "keyed", "--key", "a", "--reason", "x")
    assert [row["key"] for row in awarded.ok("list", "--badge", "keyed", "--json").json] == ["b"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("award --user a --badge pionts --reason x", "no badge 'pionts' (did you mean 'points'?)"),
        ("award --user a --badge points --reason x", "so say which (from 1) (levels: 1 Bronze, 2 Silver, 3 Gold)"),
        ("award --user a --badge points --level 4 --reason x", "levels 1 to 3"),
        ("award --user a --badge points --level Iron --reason x", "levels: 1 Bronze"),
        ("award --user a --badge points --level 1", "Missing option '--reason'"),
        ("award --user a --badge points --level 1 --reason=", "reason is empty"),
        ("award --user= --badge points --level 1 --reason x", "user is empty"),
        ("revoke --user nobody --badge points --reason x", "'nobody' has no award of 'points'"),
        ("revoke --user alice --badge points --level 2 --reason x", "no award of 'points', level 2"),
        ("revoke --user alice --badge points --level 99999999999999999999 --reason x", "levels 1 to 3"),
        ("revoke --user alice --badge points", "Missing option '--reason'"),
    ],
)
def test_what_cannot_be_given_or_taken(awarded: Project, arguments: str, message: str) -> None:
    before = awarded.sql("SELECT * FROM awards")

    result = awarded.run(*arguments.split())

    assert result.status == 2
    assert message in result.err
    assert awarded.sql("SELECT * FROM awards") == before
