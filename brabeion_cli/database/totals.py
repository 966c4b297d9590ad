"""SQL that counts the totals in `standings` and `holders` from awards and events. Triggers keep them up to date."""

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
#: Statements that count the totals again.
RECOUNT = (
    "DELETE FROM holders",
    "DELETE FROM standings",
    f"INSERT INTO standings {COUNTED_STANDINGS}",
    f"INSERT INTO holders {COUNTED_HOLDERS}",
)
