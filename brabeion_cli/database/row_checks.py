"""Rules for the rows of a sound store that SQLite itself does not check."""

from __future__ import annotations

import re
import sqlite3
from bisect import bisect, insort
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import groupby
from typing import Any, NamedTuple

from brabeion_cli.database import late_counts
from brabeion_cli.database.connection import Database
from brabeion_cli.database.totals import COUNTED_HOLDERS, COUNTED_STANDINGS
from brabeion_cli.domain import strict_json
from brabeion_cli.domain.events import MAX_NAME
from brabeion_cli.domain.grants import POSITION_BITS


class Kind(NamedTuple):
    """What a column must hold: `what` says it in words, `holds` checks a value.

    Bytes of a text that are not UTF-8 come as lone surrogates.
    """

    what: str
    holds: Callable[[Any], bool]


def or_null(kind: Kind) -> Kind:
    """A kind that also allows NULL."""
    return Kind(f"{kind.what} or NULL", lambda value: value is None or kind.holds(value))


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and not re.search(strict_json.SURROGATE, value)


def _text(least: int, longest: int) -> Callable[[Any], bool]:
    return lambda value: _is_text(value) and least <= len(value) <= longest and "\0" not in value


def _like(pattern: str) -> Callable[[Any], bool]:
    fits = re.compile(pattern).fullmatch
    return lambda value: isinstance(value, str) and fits(value) is not None


def _from(least: int) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, int) and value >= least


def _is_object(value: Any) -> bool:
    try:
        parsed = strict_json.parse(value) if isinstance(value, str) else None
    except strict_json.StrictJSONError:
        return False
    return isinstance(parsed, dict) and strict_json.compact(parsed) == value


TEXT = Kind(f"text of 1 to {MAX_NAME} characters", _text(1, MAX_NAME))
KEY = Kind(f"text of {MAX_NAME} characters at most", _text(0, MAX_NAME))
PROSE = Kind("text", _is_text)
SLUG = Kind("a badge's slug", _like("[a-z0-9][a-z0-9_-]{0,99}"))
MOMENT = Kind("UTC text", _like(r"[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9]\.[0-9]{6}Z"))
TOKEN = Kind("a token", _like("[0-9a-f]{32}"))
OBJECT = Kind("a JSON object, written without spaces", _is_object)
NUMBER = Kind("a number from 1", _from(1))
COUNT = Kind("a number from 0", _from(0))
INTEGER = Kind("a whole number", lambda value: isinstance(value, int))
FLAG = Kind("0 or 1", lambda value: value == 0 or value == 1)

RECOUNT = "`brabeion db migrate --recount` counts them again"

COLUMNS: dict[str, dict[str, Kind]] = {
    "events": {
        "number": NUMBER,
        "name": TEXT,
        "user": TEXT,
        "at": MOMENT,
        "id": or_null(TEXT),
        "state": OBJECT,
        "tally": NUMBER,
        "late": FLAG,
        "late_tally": COUNT,
    },
    "awards": {
        "user": TEXT,
        "badge": SLUG,
        "level": NUMBER,
        "key": KEY,
        "occasion": INTEGER,
        "awarded_at": MOMENT,
        "event_number": or_null(NUMBER),
        "given_by": or_null(TEXT),
        "reason": or_null(TEXT),
        "revoked_at": or_null(MOMENT),
        "revoked_by": or_null(TEXT),
        "revoked_because": or_null(TEXT),
        "position": COUNT,
    },
    "tasks": {
        "number": NUMBER,
        "event_number": NUMBER,
        "badge": SLUG,
        "state": or_null(OBJECT),
        "attempts": COUNT,
        "due_at": or_null(MOMENT),
        "token": or_null(TOKEN),
        "error": or_null(PROSE),
        "error_at": or_null(PROSE),
        "award": or_null(PROSE),
    },
}


def _unlike_counted(key: str, kept: str, counted: str) -> str:
    """A query for how many keys have different rows in the query `kept` and in the query `counted`."""
    return (
        f"SELECT count(DISTINCT {key}) FROM (SELECT * FROM (SELECT * FROM ({kept}) EXCEPT SELECT * FROM ({counted})) "
        f"UNION ALL SELECT * FROM (SELECT * FROM ({counted}) EXCEPT SELECT * FROM ({kept})))"
    )


#: Rules between columns and tables: a message, and a query for how many rows break the rule.
RULES = {
    "awards without their event, or without giver and reason": (
        "SELECT count(*) FROM awards a LEFT JOIN events e ON e.number = a.event_number "
        "WHERE (a.event_number IS NOT NULL AND e.number IS NULL) "
        "OR (a.event_number IS NULL AND (a.given_by IS NULL OR a.reason IS NULL))"
    ),
    "awards that both an event and a person gave": (
        "SELECT count(*) FROM awards WHERE event_number IS NOT NULL AND (given_by IS NOT NULL OR reason IS NOT NULL)"
    ),
    "awards of another time than their event": (
        "SELECT count(*) FROM awards a JOIN events e ON e.number = a.event_number WHERE a.awarded_at <> e.at"
    ),
    "awards whose occasion is neither 0 nor their event nor one by hand": (
        "SELECT count(*) FROM awards WHERE occasion <> 0 AND (\"key\" <> '' "
        f"OR CASE WHEN occasion > 0 THEN occasion & {(1 << POSITION_BITS) - 1} IS NOT event_number "
        "ELSE event_number IS NOT NULL END)"
    ),
    "awards that are revoked only in part": (
        "SELECT count(*) FROM awards "
        "WHERE (revoked_at IS NULL) + (revoked_by IS NULL) + (revoked_because IS NULL) NOT IN (0, 3)"
    ),
    "tasks without their event": (
        "SELECT count(*) FROM tasks t LEFT JOIN events e ON e.number = t.event_number WHERE e.number IS NULL"
    ),
    "tasks that are dead and held": "SELECT count(*) FROM tasks WHERE due_at IS NULL AND token IS NOT NULL",
    "tasks whose number may be given again": (
        "SELECT count(*) FROM tasks "
        "WHERE number > (SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'tasks')"
    ),
    f"users whose standing is not what their events and awards say; {RECOUNT}": _unlike_counted(
        '"user"', "SELECT * FROM standings", COUNTED_STANDINGS
    ),
    f"badges whose holders are not as many as their awards say; {RECOUNT}": _unlike_counted(
        "badge", "SELECT * FROM holders WHERE users <> 0", f"SELECT * FROM ({COUNTED_HOLDERS}) WHERE users <> 0"
    ),
    f"users whose late events are not as many as counted; {RECOUNT}": _unlike_counted(
        '"user"',
        "SELECT * FROM late_counts",
        late_counts.counted('("user", name) IN (SELECT "user", name FROM late_counts)'),
    ),
}


def contradictions(database: Database) -> Iterator[str]:
    """What is wrong with the rows, a line each. Call it only if pages and schema are sound."""
    connection = database.raw()
    connection.text_factory = lambda text: text.decode(errors="surrogateescape")
    try:
        for table, columns in COLUMNS.items():
            for column, count in _unlike(connection, table, columns).items():
                yield f"{count} {table} whose {column} is not {columns[column].what}"
        for rule, query in RULES.items():
            (count,) = connection.execute(query).fetchone()
            if count:
                yield f"{count} {rule}"
        if count := _wrong_tallies(connection):
            yield f"{count} events whose tally contradicts the others of their user and name"
    finally:
        connection.text_factory = str


def _unlike(connection: sqlite3.Connection, table: str, columns: dict[str, Kind]) -> Counter[str]:
    """How many values of each column do not fit its kind."""
    unlike: Counter[str] = Counter()
    names = ", ".join(f'"{column}"' for column in columns)
    for row in connection.execute(f"SELECT {names} FROM {table}"):
        for value, (column, kind) in zip(row, columns.items(), strict=True):
            if not kind.holds(value):
                unlike[column] += 1
    return unlike


def _wrong_tallies(connection: sqlite3.Connection) -> int:
    """How many events have a wrong tally.

    The tally of an event counts the events of its user and name up to it: all that came in time, and the late ones
    that were recorded before it. It may also count events that were deleted, because a prune does not record how many.
    """
    rows = connection.execute(
        'SELECT "user", name, number, CAST(tally AS INTEGER), late = 1, CAST(late_tally AS INTEGER), '
        "CASE WHEN name IN (SELECT name FROM prunes) THEN 1e999 ELSE (SELECT max(number) - count(*) FROM events) END "
        'FROM events ORDER BY "user", name, at, number'
    )
    wrong = 0
    for _, events in groupby(rows, key=lambda row: row[:2]):
        in_time, late_ones = 0, list[int]()
        for _, _, number, tally, late, late_tally, gone in events:
            if late:
                insort(late_ones, number)
            else:
                in_time += 1
            late_before = bisect(late_ones, number)
            wrong += not (
                in_time <= tally - late_tally <= in_time + gone and late_before <= late_tally <= late_before + gone
            )
    return wrong
