"""SQL that counts late events by month, day, hour, minute and second, for users with many of one name."""

from __future__ import annotations

#: How many characters of a moment give its month, day, hour, minute and second.
LENGTHS = (7, 10, 13, 16, 19)
EACH_LENGTH = f"(SELECT column1 AS length FROM (VALUES {', '.join(f'({length})' for length in LENGTHS)}))"
MAX_UNCOUNTED = 500  # late events of a user and name; up to this many are counted one by one


def counted(chosen: str, only_if: str = "1") -> str:
    """A query for the rows of `late_counts` of some late events.

    `chosen` is an SQL condition on the events. If the condition `only_if` is false, there are no rows.
    """
    return f"""
        SELECT "user", name, length, substr(at, 1, length) AS moment, count(*) AS events
        FROM (SELECT 1 WHERE {only_if}) CROSS JOIN events INDEXED BY event_late CROSS JOIN {EACH_LENGTH}
        WHERE late = 1 AND {chosen} GROUP BY "user", name, length, moment
    """


def recount(chosen: str = "1") -> tuple[str, str]:
    """Statements that count late events again, for users with more than `MAX_UNCOUNTED` of one name.

    `chosen` is an SQL condition on the columns `user` and `name`.
    """
    late = f'SELECT "user", name FROM events WHERE late = 1 AND {chosen} GROUP BY "user", name'
    of_many = f'("user", name) IN ({late} HAVING count(*) > {MAX_UNCOUNTED})'
    return (
        f"DELETE FROM late_counts WHERE {chosen}",
        f"INSERT INTO late_counts {counted(of_many)}",
    )
