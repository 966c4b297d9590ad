"""The benchmarks run, and what ours is measured against does the same work. Of their times nothing is tested."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.benchmarks import __main__ as benchmarks
from tests.benchmarks import events, ingest, many, measure, start_up, table
from tests.benchmarks.events import Event
from tests.benchmarks.measure import Comparison, Row, Settings

SETTINGS = Settings(Path(), events=60, runs=1, quick=True, peers=False, instructions=False)
GOALS = {
    "ingest": "S1 S9",
    "many": "S2",
    "start-up": "S4",
    "queue": "S5",
    "history": "S6",
    "lists": "S7",
    "replay": "S8",
    "memory": "S3",
}

KINDS = """
    class SomeBadge(Badge):
        levels = ["One"]
        events = ["event_00", "event_01"]

    @badges.register
    class LadderBadge(SomeBadge):
        slug = "ladder"
        levels = ["One", "Two", "Three"]
        cumulative = True

        def award(self, **state):
            if state["own"]:
                return BadgeAwarded(3)

    @badges.register
    class OftenBadge(SomeBadge):
        slug = "often"
        multiple = True

        def award(self, **state):
            return BadgeAwarded()

    @badges.register
    class SourceBadge(SomeBadge):
        slug = "source"

        def award(self, **state):
            return BadgeAwarded.several([BadgeAwarded(key=state["source"]), BadgeAwarded(key="any", user="all")])
"""


def rows(path: Path, sql: str) -> list[Any]:
    with closing(sqlite3.connect(path)) as database:
        return database.execute(sql).fetchall()


def contents(path: Path) -> dict[str, list[Any]]:
    """The schema and all rows of a database."""
    found = {"schema": rows(path, "SELECT type, name, sql FROM sqlite_master ORDER BY name")}
    return found | {name: rows(path, f"SELECT * FROM {name}") for name in ("events", "awards", "tasks")}


def untidy(stream: Iterator[Event]) -> Iterator[Event]:
    """The stream, with some events a day late, and some twice."""
    for number, event in enumerate(stream):
        if number % 20 == 11:
            event["at"] = event["at"].replace("2026-01-", "2025-12-")
        yield event
        if number % 30 == 7:
            yield event


def same_tables(tmp_path: Path, stream: Iterator[Event], badges: Path | str) -> dict[str, list[Any]]:
    """What ours and the plain loop have recorded of a stream; raises `AssertionError` where it is not the same."""
    folders = [events.site(tmp_path, badges) for _ in range(2)]
    path = events.write(tmp_path / "events.ndjson", stream)
    for program in (ingest.ours(folders[0], path), ingest.raw(folders[1], path)):
        measure.run(program)
    ours, raw = contents(folders[0] / "brabeion.db"), contents(folders[1] / "raw.db")
    assert ours == raw
    return ours


def test_the_plain_loop_fills_the_same_tables(tmp_path: Path) -> None:
    found = same_tables(tmp_path, untidy(events.stream(1000)), events.POINTS)

    assert len(found["events"]) == 1000
    assert {late for *_, late, _ in found["events"]} == {0, 1}
    assert len(found["awards"]) >= 10


def test_the_plain_loop_fills_the_same_tables_by_many_badges_of_all_kinds(tmp_path: Path) -> None:
    path = tmp_path / "many.py"
    path.write_text((measure.BADGES / "many.py").read_text() + textwrap.dedent(KINDS))

    found = same_tables(tmp_path, untidy(events.stream(500, events.NAMES)), path)

    awards = {(slug, level, key, occasion > 0) for _, slug, level, key, occasion, *_ in found["awards"]}
    assert awards >= {("ladder", level, "", False) for level in (1, 2, 3)}
    assert awards >= {("often", 1, "", True), ("source", 1, "answer", False), ("source", 1, "réponse", False)}
    assert max(position for *_, position in found["awards"]) > 3


@pytest.mark.skipif(not events.FRENCH.exists(), reason="no data of whole sites beside the project")
def test_the_plain_loop_fills_the_same_tables_by_the_badges_of_stack_exchange(tmp_path: Path) -> None:
    assert len(same_tables(tmp_path, events.french(1500), events.STACK_EXCHANGE)["awards"]) >= 10


def test_the_two_inserts_by_peewee_are_those_of_fire(tmp_path: Path) -> None:
    assert list(start_up.measure(SETTINGS._replace(folder=tmp_path)))

    ours, others = (contents(next(tmp_path.glob(f"*/{name}"))) for name in ("brabeion.db", "peewee.db"))
    for each in (ours, others):  # but for the moment and the spaces in the state, as they were given
        each["events"] = [(*row[:3], *row[4:5], row[5].replace(" ", ""), *row[6:]) for row in each["events"]]
        each["awards"] = [(*row[:5], *row[6:]) for row in each["awards"]]
    assert ours == others


@pytest.mark.long
@pytest.mark.parametrize("name", [name for name in GOALS if name not in ("start-up", "many")])
def test_a_subject_gives_figures(tmp_path: Path, name: str) -> None:
    found = list(benchmarks.measured([name], SETTINGS._replace(folder=tmp_path)))

    assert {row.name for row in found} == set(GOALS[name].split())
    assert all(row.ours[0].isdigit() or row.ours[0] == "-" for row in found)


@pytest.mark.long
def test_badges_by_the_dozen_give_figures(tmp_path: Path) -> None:
    loads = many.loads(SETTINGS)
    load = next(loads)

    each = many.programs(SETTINGS._replace(folder=tmp_path), load, 40)
    *_, award = [measure.run(program) for program in each[:4]]

    assert float(award.out) > 0
    assert rows(each.base.folder / "brabeion.db", "SELECT count(*) FROM events") == [(40,)]


def test_every_subject_is_known() -> None:
    assert set(benchmarks.SUBJECTS) == set(GOALS)


def test_ratios_are_those_of_the_medians() -> None:
    row = measure.compare("S1", "time", "ms", Comparison([2, 4, 9], [1, 2, 3]), 1.5)

    assert (row.ours, row.reference, row.ratio) == ("4.00 ms", "2.00 ms", 2.0)
    assert (row.spread, row.verdict) == ("2.00–3.00", "not met")
    assert row._replace(at_least=True).verdict == "met"


def test_the_table_of_a_page_is_replaced(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{table.MARKS[0]}\nold\n{table.MARKS[1]}\nafter\n")

    for what in ("first", "second"):
        table.write(page, [Row("S1", what, "1 µs", "2 µs", 0.5, 1.0)], SETTINGS)

    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "| S1 | second | 1 µs | 2 µs | 0.50 | – | ≤ 1 | met |" in text
    assert "old" not in text
    assert "first" not in text


def test_an_unknown_subject_is_refused() -> None:
    command = [sys.executable, "-m", "tests.benchmarks", "ingets"]
    done = subprocess.run(command, cwd=measure.ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 2
    assert "nothing is called 'ingets'; there are ingest, many" in done.stderr
