"""Text of every script and kind goes in and comes out as it was, and does nothing to a terminal."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import pty
import re
import subprocess
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brabeion_cli.cli import output
from brabeion_cli.domain import events
from tests.support.moments import NOW
from tests.support.project import Project
from tests.support.texts import TEXT

#: Users, event names, ids, keys, and names of a state's fields.
TEXTS = [
    "שלום עולם",
    "مرحبا",
    "ދިވެހި",
    "日本語",
    "ไทย",
    "नमस्ते",
    "ᐃᓄᒃᑎᑐᑦ",
    "e\u0301",
    "\u00e9",
    "Z\u0351\u0322a\u0489lgo",
    "\u0301 alone",
    "👩\u200d🔬",
    "👨\u200d👩\u200d👧\u200d👦",
    "🏳️\u200d🌈",
    "🏴\U000e0067\U000e0062\U000e007f",
    "𝔊𝔬𝔱𝔥",
    "\U0010ffff",
    "\ufeffmark",
    "\u202egnp.exe",
    "\u2067isolated\u2069",
    "\u200eleft\u061cright",
    "a\u2028b\u2029c",
    "a\x85b\x0bc\x0cd\x1ce",
    "\x1b[31mred\x1b[0m",
    "\x1b]0;title\x07",
    "\x9b31m",
    "\x01\x08\x1f\x7f",
    "[bold]",
    "[/b]",
    "[red]x[/red] :smile:",
    "\\[x] \\n \\u0041",
    "=1+1",
    "@SUM(A1)",
    "-2+3",
    "'=1",
    'quo"ted',
    "a,b;c",
    "new\nline",
    "carriage\rreturn\r\n",
    "tab\tbed",
    " spaces ",
    "\u00a0\u3000",
    "%s {0} $HOME `id`",
    "--flag",
    "NULL",
    "0012",
    "x" * 255,
]

BADGES = """
    from brabeion_cli import badges
    from brabeion_cli.base import Badge, BadgeAwarded, BadgeDetail, CountBadge

    TEXTS = {texts!a}

    @badges.register
    class Echo(Badge):
        slug = "echo"
        levels = [BadgeDetail({name!a}, description={name!a})]
        events = TEXTS
        multiple = True

        def award(self, **state):
            return BadgeAwarded(key=state["key"])

    @badges.register
    class Odd(Badge):
        slug = "odd"
        levels = ["One"]
        events = TEXTS

        def award(self, **state):
            raise ValueError(state["key"])

    @badges.register
    class Count(CountBadge):
        slug = "count"
        levels = [{name!a}]
        events = TEXTS
        thresholds = [1000]
"""

#: Everything at once; it fits in a name. The name of a level is one line.
ALL = "\u202e".join(text for text in TEXTS if len(text) < 20)[:255]


def texts_project(directory: Path) -> Project:
    project = Project(directory)
    project.badge(BADGES.format(texts=[*TEXTS, ALL], name=ALL))
    return project


def does_nothing(text: str) -> bool:
    """Whether a terminal shows the text and does not obey it: but for newlines no control, and no direction."""
    return not any(
        unicodedata.category(character) in ("Cc", "Cf", "Zl", "Zp", "Cs") and character not in "\n\u200c\u200d"
        for character in text
    )


@pytest.fixture(scope="module")
def all_texts(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A store in which each text is the user, the name, the id, the key and a field's name of an event."""
    project = texts_project(tmp_path_factory.mktemp("site"))
    lines = [
        {"event": text, "user": text, "id": text, "state": {"key": text, text: [text]}, "at": "2026-01-01"}
        for text in (*TEXTS, ALL)
    ]
    result = project.run("ingest", "--json", stdin="\n".join(json.dumps(line, ensure_ascii=False) for line in lines))
    assert (result.json["recorded"], result.json["rejected"]) == (len(lines), 0), result
    assert does_nothing(result.err)
    return project


EXPECTED = sorted((text, text, text, text) for text in (*TEXTS, ALL))


def test_awards_come_out_as_they_went_in(all_texts: Project) -> None:
    rows = all_texts.ok("list", "--json").json

    assert sorted((row["user"], row["key"], row["event"]["name"], row["event"]["id"]) for row in rows) == EXPECTED
    assert {(row["level_name"], row["description"]) for row in rows} == {(ALL, ALL)}
    assert [json.loads(line) for line in all_texts.ok("list", "--format", "ndjson").out.splitlines()] == rows


def cells_of(text: str) -> list[dict[str, str]]:
    """The rows of a CSV text, without the apostrophe before what a spreadsheet would run."""
    known = {*TEXTS, ALL}
    return [
        {name: cell if cell in known else cell.removeprefix("'") for name, cell in row.items()}
        for row in csv.DictReader(io.StringIO(text, newline=""))
    ]


def test_csv_gives_the_values_back(all_texts: Project) -> None:
    cells = cells_of(all_texts.ok("list", "--format", "csv").out)

    assert sorted((row["user"], row["key"], row["event_name"], row["event_id"]) for row in cells) == EXPECTED
    assert {row["level_name"] for row in cells} == {ALL}


def test_a_table_is_a_line_for_each_award(all_texts: Project) -> None:
    shown = all_texts.ok("list").out

    assert does_nothing(shown)
    assert shown.count("\n") == len(TEXTS) + 2
    for text in (
        "שלום עולם",
        "e\u0301",
        "👩\u200d🔬",
        "[/b]",
        "\\u202egnp.exe",
        "\\x1b[31mred",
        "new\\nline",
        "\\x85b",
    ):
        assert text in shown


def test_the_other_questions_answer_with_the_same_texts(all_texts: Project) -> None:
    leaders = all_texts.ok("leaderboard", "--json", "--limit", "1000").json
    tasks = all_texts.ok("queue", "list", "--json").json
    explained = all_texts.ok("explain", "--user", ALL, "--badge", "odd", "--json").json
    progress = all_texts.ok("progress", "--user", ALL, "--json").json

    assert {row["user"] for row in leaders} == {*TEXTS, ALL}
    assert {(row["user"], row["event"]["name"], row["event"]["id"]) for row in tasks} == {
        (text, text, text) for text in (*TEXTS, ALL)
    }
    assert {row["error"] for row in tasks} >= {"ValueError: שלום עולם", "ValueError: e\u0301"}
    assert explained["user"] == explained["tasks"][0]["event"]["id"] == ALL
    assert [(row["badge"], row["level_name"], row["current"]) for row in progress] == [("count", ALL, 1)]
    explained = all_texts.ok("explain", "--user", ALL, "--badge", "count", "--json").json
    last = next(event["last"] for event in explained["events"] if event["event"] == ALL)
    assert last == {"id": ALL, "at": "2026-01-01T00:00:00.000000Z", "state": {"key": ALL, ALL: [ALL]}}


def test_two_normal_forms_are_two_users(all_texts: Project) -> None:
    for user in ("e\u0301", "\u00e9"):
        assert [row["user"] for row in all_texts.ok("list", "--user", user, "--json").json] == [user]


LOCALES = [
    {"LC_ALL": locale, "PYTHONUTF8": mode, "PYTHONIOENCODING": ""} for locale in ("C", "C.UTF-8") for mode in "01"
]


@pytest.mark.parametrize("locale", LOCALES, ids=lambda locale: f"{locale['LC_ALL']}-{locale['PYTHONUTF8']}")
def test_the_command_line_takes_and_gives_every_text_in_every_locale(tmp_path: Path, locale: dict[str, str]) -> None:
    project = texts_project(tmp_path)
    state = json.dumps({"key": ALL, ALL: [ALL]}, ensure_ascii=False)

    fired = project.run("fire", ALL, "--user", ALL, "--id", ALL, "--state", state, "--json", env=locale)
    told = project.run("fire", ALL[1:], "--user", ALL, "--state", state, env=locale)
    listed = project.ok("list", "--user", ALL, "--format", "csv", env=locale)

    assert (fired.status, told.status) == (1, 0)
    assert [fired.json["event"][name] for name in ("name", "user", "id")] == [ALL] * 3
    assert (fired.json["results"][0]["key"], fired.json["results"][0]["level_name"]) == (ALL, ALL)
    assert project.sql('SELECT name, "user", id, state FROM events')[0] == (ALL, ALL, ALL, compact(state))
    assert does_nothing(fired.err + told.out + told.err)
    assert len(told.out.splitlines()) == 1
    [row] = cells_of(listed.out)
    assert [row[name] for name in ("user", "key", "level_name", "event_name", "event_id")] == [ALL] * 5


def compact(text: str) -> str:
    return json.dumps(json.loads(text), ensure_ascii=False, separators=(",", ":"))


def test_files_may_have_names_of_every_script_where_python_knows_only_ascii(project: Project) -> None:
    project.write("שלום/brabeion.toml", 'db = "é.db"\nbadges = "日本"\n')
    (project.directory / "badges").rename(project.directory / "שלום" / "日本")
    project.write("é.json", '{"n": 1}')
    project.write("é.ndjson", "nonsense\n")
    given = ("--config", "שלום/brabeion.toml")

    for arguments, status in (
        (("fire", "it_happened", "--user", "a", "--state", "@é.json"), 0),
        (("ingest", "é.ndjson", "--rejects", "ü"), 1),
        (("db", "backup", "ö.db"), 0),
        (("init", "nö"), 0),
    ):
        result = project.run(*given, *arguments, env=LOCALES[0])
        assert (result.status, "defect" in result.err) == (status, False), result

    names = {"שלום/é.db", "ü", "ö.db", "nö/brabeion.toml"}
    assert [name for name in names if not (project.directory / name).is_file()] == []
    project.db = project.directory / "שלום" / "é.db"
    assert project.sql("SELECT state FROM events") == [('{"n":1}',)]


def on_a_terminal(project: Project, *arguments: object, status: int = 0) -> str:
    """What the command writes to a terminal of 200 columns, without the two sequences of rich for a table's head."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        project.command(*arguments),
        cwd=project.directory,
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "200", "LC_ALL": "C.UTF-8"},
    )
    os.close(theirs)
    shown = bytearray()
    with contextlib.suppress(OSError):  # which is how a closed terminal ends
        while data := os.read(ours, 1 << 16):
            shown += data
    os.close(ours)
    assert process.wait() == status
    return re.sub("\x1b\\[(0|1|1;3.)m", "", shown.decode().replace("\r\n", "\n"))


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (("list",), 0),
        (("list", "--format", "csv"), 0),
        (("leaderboard", "--limit", "1000"), 0),
        (("queue", "list"), 0),
        (("explain", "--user", ALL, "--badge", "echo"), 0),
        (("progress", "--user", ALL), 0),
        (("fire", ALL, "--user", ALL, "--id", ALL, "--state", "{}"), 2),
        (("fire", ALL, ALL), 2),
        (("--debug", "award", "--user", ALL, "--badge", ALL, "--reason", ALL), 2),
    ],
    ids=lambda value: "-".join(word for word in value if len(word) < 20) if isinstance(value, tuple) else None,
)
def test_nothing_that_users_typed_reaches_a_terminal(
    all_texts: Project, arguments: tuple[str, ...], status: int
) -> None:
    shown = on_a_terminal(all_texts, *arguments, status=status)

    assert len(shown) > 50
    assert does_nothing(shown)
    assert "Traceback" not in shown or "--debug" in arguments


@given(TEXT)
def test_any_text_is_shown_as_one_line_that_does_nothing(text: str) -> None:
    assert does_nothing(output.visible(text))
    assert "\n" not in output.visible(text)
    assert output.visible(output.visible(text)) == output.visible(text)


@given(st.lists(TEXT, min_size=1, max_size=5))
def test_any_text_comes_back_from_json_and_csv(texts: list[str]) -> None:
    rows = [{"a": text, "b": texts} for text in texts]
    lines = list(output.csv_lines(("a", "a"), rows))

    assert json.loads(output.json_text(rows)) == rows
    assert [json.loads(line) for line in output.json_lines(rows)] == rows
    assert does_nothing(output.json_text(rows))
    _, *cells = csv.reader(io.StringIO("\n".join(lines) + "\n", newline=""))
    assert [[cell.removeprefix("'") for cell in row] for row in cells] == [
        [text.removeprefix("'")] * 2 for text in texts
    ]


@given(TEXT.filter(lambda text: 0 < len(text) <= 255), TEXT)
def test_any_text_of_a_line_is_recorded_as_it_is(name: str, text: str) -> None:
    line: dict[str, Any] = {
        "event": f"x{name}"[:255],
        "user": name,
        "id": name,
        "state": {"v": text, "k" + text: [text]},
    }
    for ascii_only in (True, False):
        made = events.from_line(json.dumps(line, ensure_ascii=ascii_only).encode(), now=NOW, max_bytes=10**6)

        assert [made.name, made.user, made.id, made.state] == [line["event"], name, name, line["state"]]
        assert json.loads(made.state_json) == line["state"]
