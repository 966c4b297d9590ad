"""The schema's versions: for each, the statements that lead to it from the one before. Never rewrite one that was
released; add the next. A test holds the result against `models`.
"""

from __future__ import annotations

from collections.abc import Sequence

VERSION_1 = (
    """
    CREATE TABLE "events" (
        "number" INTEGER NOT NULL PRIMARY KEY,
        "name" TEXT NOT NULL,
        "user" TEXT NOT NULL,
        "at" TEXT NOT NULL,
        "id" TEXT,
        "state" TEXT NOT NULL
    )
    """,
    'CREATE UNIQUE INDEX "event_id" ON "events" ("id")',
    """
    CREATE TABLE "awards" (
        "user" TEXT NOT NULL,
        "badge" TEXT NOT NULL,
        "level" INTEGER NOT NULL,
        "key" TEXT NOT NULL,
        "occasion" INTEGER NOT NULL,
        "awarded_at" TEXT NOT NULL,
        "event_number" INTEGER,
        "given_by" TEXT,
        "reason" TEXT,
        "revoked_at" TEXT,
        "revoked_by" TEXT,
        "revoked_because" TEXT,
        PRIMARY KEY ("user", "badge", "level", "key", "occasion"),
        FOREIGN KEY ("event_number") REFERENCES "events" ("number"),
        CHECK (event_number IS NOT NULL OR (given_by IS NOT NULL AND reason IS NOT NULL))
    ) WITHOUT ROWID
    """,
    """
    CREATE TABLE "tasks" (
        "number" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
        "event_number" INTEGER NOT NULL,
        "badge" TEXT NOT NULL,
        "state" TEXT,
        "attempts" INTEGER NOT NULL,
        "due_at" TEXT,
        "token" TEXT,
        "error" TEXT,
        "error_at" TEXT,
        FOREIGN KEY ("event_number") REFERENCES "events" ("number")
    )
    """,
    'CREATE INDEX "task_due_at" ON "tasks" ("due_at")',
)

#: What the questions of a badge about its user's past need: indexes, and running counts. Those of events that are
#: there already count what is known now; from then on that is all that anybody asks for.
VERSION_2 = (
    'CREATE INDEX "event_user_name_at" ON "events" ("user", "name", "at")',
    'CREATE INDEX "event_name_at" ON "events" ("name", "at")',
    'ALTER TABLE "events" ADD COLUMN "tally" INTEGER NOT NULL DEFAULT 0',
    'ALTER TABLE "events" ADD COLUMN "late" INTEGER NOT NULL DEFAULT 0',
    """
    UPDATE events SET tally = counted.tally FROM (
        SELECT number, row_number() OVER (PARTITION BY "user", name ORDER BY at, number) AS tally FROM events
    ) counted
    WHERE counted.number = events.number
    """,
    'CREATE INDEX "event_late" ON "events" ("user", "name", "number", "at", "late") WHERE late = 1',
    'ALTER TABLE "awards" ADD COLUMN "position" INTEGER NOT NULL DEFAULT 0',
    'CREATE INDEX "award_event_number_position" ON "awards" ("event_number", "position")',
    """
    UPDATE awards SET position = (
        SELECT count(*) FROM awards a WHERE a.event_number = awards.event_number
        AND (a.badge, a.level, a."key", a."user") <= (awards.badge, awards.level, awards."key", awards."user")
    )
    WHERE event_number IS NOT NULL
    """,
    'ALTER TABLE "tasks" ADD COLUMN "award" TEXT',
)

#: Which events are gone, and an index by which SQLite finds out that no task needs one that goes.
VERSION_3 = (
    'CREATE TABLE "prunes" ("name" TEXT NOT NULL PRIMARY KEY, "before" TEXT NOT NULL)',
    'CREATE INDEX "task_event_number" ON "tasks" ("event_number")',
)

#: Tasks that workers hold are few: they are found without a look at those that are due.
VERSION_4 = ('CREATE INDEX "task_held" ON "tasks" ("due_at") WHERE token IS NOT NULL',)

MIGRATIONS: Sequence[Sequence[str]] = [VERSION_1, VERSION_2, VERSION_3, VERSION_4]
SCHEMA_VERSION = len(MIGRATIONS)
