"""Prints rows as a table, JSON or CSV. The only module that imports rich, and only when it draws."""

from __future__ import annotations

import io
import json
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

RUNS_AS_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
KEPT_FORMATS = "\u200c\u200d"  # joiners, which some words and emoji need
SHOW_AFTER = 1.0  # seconds until a progress bar appears
REDRAW = 0.1  # seconds between two updates of it


def visible(value: object) -> str:
    """A value as one line of text that is safe on a terminal: control and direction characters are escaped."""
    text = "" if value is None else str(value)
    if text.isprintable():
        return text
    return "".join(map(_visible_character, text))


def _visible_character(character: str) -> str:
    import unicodedata

    category = unicodedata.category(character)
    if category in ("Cc", "Cf", "Cs", "Zl", "Zp", "Cn", "Co") and character not in KEPT_FORMATS:
        return character.encode("unicode_escape", "surrogatepass").decode()
    return character


def json_text(value: Any) -> str:
    """A JSON text, indented. It is ASCII only, so that it survives every pipe and terminal."""
    return json.dumps(value, indent=2)


def json_line(value: Any) -> str:
    """A JSON text in one line, for people: characters are not escaped."""
    return json.dumps(value, ensure_ascii=False)


def json_lines(rows: Iterable[Any]) -> Iterator[str]:
    """One JSON text per row."""
    return (json.dumps(row) for row in rows)


def csv_lines(columns: Sequence[str], rows: Iterable[dict[str, Any]]) -> Iterator[str]:
    """A header and a line per row. A cell that a spreadsheet would run as a formula gets an apostrophe in front."""
    yield _csv_line(columns)
    for row in rows:
        yield _csv_line([_defused(row[column]) for column in columns])


def _csv_line(cells: Sequence[Any]) -> str:
    import csv

    line = io.StringIO()
    csv.writer(line, lineterminator="\r\n").writerow(cells)  # a cell with either character is quoted
    return line.getvalue().removesuffix("\r\n")


def _defused(cell: Any) -> Any:
    if isinstance(cell, str) and (cell.startswith(RUNS_AS_FORMULA) or cell.lstrip().startswith(RUNS_AS_FORMULA)):
        return "'" + cell
    return cell


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]], *, numbers: Sequence[str] = ()) -> None:
    """Print a table. On a terminal it is drawn; elsewhere it is plain columns, each as wide as its widest cell."""
    cells = [[visible(cell) for cell in row] for row in rows]
    if sys.stdout.isatty():
        _draw(columns, cells, numbers)
        return
    widths = [max([len(name), *(len(row[index]) for row in cells)]) for index, name in enumerate(columns)]
    for row in [list(columns), *cells]:
        aligned = [
            cell.rjust(width) if name in numbers else cell.ljust(width)
            for name, cell, width in zip(columns, row, widths, strict=True)
        ]
        print("  ".join(aligned).rstrip())


def _draw(columns: Sequence[str], cells: Sequence[Sequence[str]], numbers: Sequence[str]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    drawn = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name in columns:
        drawn.add_column(Text(name), justify="right" if name in numbers else "left", overflow="fold")
    for row in cells:
        drawn.add_row(*map(Text, row))
    Console().print(drawn)


class Meter(Protocol):
    """Shows how far a long job has come."""

    def __call__(self, completed: int, note: str, total: int | None = None) -> None:
        """Show `completed` (of `total`, if that is known only now), with `note` beside the bar."""


@contextmanager
def progress(title: str, total: int | None) -> Iterator[Meter]:
    """A progress bar on stderr, if that is a terminal and the job takes longer than `SHOW_AFTER` seconds.

    It is drawn only when it is called: rich's own thread would get in the way of forks.
    """
    draw_from = time.monotonic() + SHOW_AFTER
    bar, task = None, None

    def show(completed: int, note: str, total: int | None = total) -> None:
        nonlocal bar, task, draw_from
        if not sys.stderr.isatty() or time.monotonic() < draw_from:
            return
        if bar is None:
            bar = _bar()
            task = bar.add_task(title, total=total, note="")
            bar.start()
        bar.update(task, completed=completed, total=total, note=note, refresh=True)
        draw_from = time.monotonic() + REDRAW

    try:
        yield show
    finally:
        if bar is not None:
            bar.stop()


def _bar() -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[note]}", markup=False),
        TimeElapsedColumn(),
    )
    return Progress(*columns, console=Console(stderr=True), transient=True, auto_refresh=False)
