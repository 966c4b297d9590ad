"""The totals that triggers keep in `standings` and `holders`, counted from the awards and events themselves."""

from __future__ import annotations

COUNTED_STANDINGS = """
    SELECT "user", count(*) FILTER (WHERE revoked_at IS NULL), count(DISTINCT badge) FILTER (WHERE revoked_at IS NULL),
        coalesce(max(awarded_at) FILTER (WHERE revoked_at IS NULL), '')
    FROM awards GROUP BY "user"
    UNION ALL SELECT "user", 0, 0, '' FROM (SELECT DISTINCT "user" FROM events) known
    WHERE NOT EXISTS (SELECT 1 FROM awards WHERE "user" = known."user")
"""
COUNTED_HOLDERS = """
    SELECT badge, level, count(DISTINCT "user") AS users FROM awards WHERE revoked_at IS NULL GROUP BY badge, level
    UNION ALL SELECT '', 0, count(*) FROM standings
"""
#: Counts the totals again, whatever they were.
RECOUNT = (
    "DELETE FROM holders",
    "DELETE FROM standings",
    f"INSERT INTO standings {COUNTED_STANDINGS}",
    f"INSERT INTO holders {COUNTED_HOLDERS}",
)
