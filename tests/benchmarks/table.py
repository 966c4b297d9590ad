"""Rows → text for a terminal, or a table in a page."""

from __future__ import annotations

import os
import platform
import re
import sqlite3
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from tests.benchmarks.measure import Row, Settings

MARKS = ("<!-- measured -->", "<!-- /measured -->")
HEADINGS = ("", "what", "ours", "reference", "ratio", "spread", "goal", "")


def cells(row: Row) -> tuple[str, ...]:
    """A row's texts, one for each heading."""
    ratio = "–" if row.ratio is None else f"{row.ratio:.2f}"
    goal = "–" if row.goal is None else f"{'≥' if row.at_least else '≤'} {row.goal:g}"
    return row.name, row.what, row.ours, row.reference, ratio, row.spread, goal, row.verdict


def line(row: Row) -> str:
    """One row for a terminal."""
    name, what, ours, reference, ratio, spread, goal, verdict = cells(row)
    return f"{name:<3} {what:<72} {ours:>12} {reference:>12} {ratio:>7} {spread:>12} {goal:>7}  {verdict}".rstrip()


def markdown(rows: Sequence[Row], settings: Settings) -> str:
    """The table of a page, and what it was measured on."""
    lines = [
        conditions(settings),
        "",
        _of(HEADINGS),
        "|---|---|--:|--:|--:|--:|--:|---|",
        *(_of(cells(row)) for row in rows),
    ]
    return "\n".join(lines)


def conditions(settings: Settings) -> str:
    """When and on what the figures were measured."""
    return (
        f"Measured on {date.today():%d %B %Y}: Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, "
        f"{platform.system()} on {os.cpu_count()} cores; {settings.events:,} events, {settings.runs} rounds."
    )


def write(path: Path, rows: Sequence[Row], settings: Settings) -> None:
    """Put the table in a page, in the place of the last one."""
    beginning, end = MARKS
    text = f"{beginning}\n{markdown(rows, settings)}\n{end}"
    page = path.read_text() if path.exists() else text
    path.write_text(re.sub(f"{beginning}.*{end}", lambda _: text, page, flags=re.DOTALL))


def _of(texts: Sequence[str]) -> str:
    return f"| {' | '.join(texts)} |"
