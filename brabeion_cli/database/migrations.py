"""The schema's versions: for each, the statements that lead to it from the one before. Never rewrite one that was
released; add the next. A test holds the result against `models`.
"""

from __future__ import annotations

from collections.abc import Sequence

from brabeion_cli.database.late_counts import count_anew

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

#: Totals, kept by SQLite itself, so that every way of writing keeps them: `standings` of users, `holders` of badges and
#: levels. In its row of no badge `holders` counts the standings, so that nobody has to.
TOTALS = (
    """
    CREATE TABLE "standings" (
        "user" TEXT NOT NULL PRIMARY KEY,
        "awards" INTEGER NOT NULL,
        "badges" INTEGER NOT NULL,
        "last_awarded_at" TEXT NOT NULL
    ) WITHOUT ROWID
    """,
    'CREATE INDEX "standing_order" ON "standings" ("awards" DESC, "last_awarded_at", "user")',
    """
    CREATE TABLE "holders" (
        "badge" TEXT NOT NULL,
        "level" INTEGER NOT NULL,
        "users" INTEGER NOT NULL,
        PRIMARY KEY ("badge", "level")
    ) WITHOUT ROWID
    """,
)

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
#: The totals anew, whatever they were.
COUNT_ANEW = (
    "DELETE FROM holders",
    "DELETE FROM standings",
    f"INSERT INTO standings {COUNTED_STANDINGS}",
    f"INSERT INTO holders {COUNTED_HOLDERS}",
)

_KEY = ('"user"', "badge", "level", '"key"', "occasion")


def _only(row: str, shared: int, but_for: str = "") -> str:
    """SQL that tells whether of the awards that are held no other shares the first columns of a row's key.

    It looks from the row outwards, last where it came from or goes to: thousands of its neighbours may be revoked.
    """
    mine = [f"{row}.{column}" for column in _KEY]
    of_row = f"({', '.join(_KEY[:shared])}) = ({', '.join(mine[:shared])})"
    place, here = ", ".join(_KEY[shared:]), ", ".join(mine[shared:])
    first, last = [
        f"(SELECT 1 FROM awards WHERE {of_row} AND ({place}) {sign} ({here}) {but_for} AND revoked_at IS NULL "
        f"ORDER BY {', '.join(column + order for column in _KEY[shared:])} LIMIT 1) IS NULL"
        for sign, order in ((">", ""), ("<", " DESC"))[:: 1 if row == "OLD" else -1]
    ]
    return f"CASE WHEN {first} THEN {last} ELSE 0 END"  # AND would ask both


def _lost(but_for: str = "") -> str:
    return f"""
        UPDATE standings SET awards = awards - 1, badges = badges - {_only("OLD", 2, but_for)},
            last_awarded_at = CASE last_awarded_at WHEN OLD.awarded_at THEN coalesce((
                SELECT max(awarded_at) FROM awards WHERE "user" = OLD."user" AND revoked_at IS NULL
            ), '') ELSE last_awarded_at END
        WHERE "user" = OLD."user";
        UPDATE holders SET users = users - 1
        WHERE badge = OLD.badge AND level = OLD.level AND {_only("OLD", 3, but_for)};
    """


_GAINED = f"""
    INSERT INTO standings VALUES (NEW."user", 1, 1, NEW.awarded_at) ON CONFLICT DO UPDATE SET awards = awards + 1,
        badges = badges + {_only("NEW", 2)}, last_awarded_at = max(last_awarded_at, excluded.last_awarded_at);
    INSERT INTO holders SELECT NEW.badge, NEW.level, 1 WHERE {_only("NEW", 3)}
        ON CONFLICT DO UPDATE SET users = users + 1;
"""
_KNOWN = """INSERT INTO standings VALUES (NEW."user", 0, 0, '') ON CONFLICT DO NOTHING;"""
_UNKNOWN = """
    DELETE FROM standings WHERE "user" = OLD."user" AND NOT EXISTS (SELECT 1 FROM events WHERE "user" = OLD."user")
        AND NOT EXISTS (SELECT 1 FROM awards WHERE "user" = OLD."user");
"""
_BUT_FOR_NEW = f"AND ({', '.join(_KEY)}) <> ({', '.join(f'NEW.{column}' for column in _KEY)})"
_CHANGE = 'AFTER UPDATE OF "user", badge, level, awarded_at, revoked_at ON awards'

#: An award that changes is lost as it was, and gained as it is. All come after the row: what is ignored has none.
TRIGGERS = tuple(
    f'CREATE TRIGGER "{name}" {occasion} BEGIN {statements} END'
    for name, occasion, statements in (
        ("award_gained", "AFTER INSERT ON awards WHEN NEW.revoked_at IS NULL", _GAINED),
        ("award_known", "AFTER INSERT ON awards WHEN NEW.revoked_at IS NOT NULL", _KNOWN),
        ("award_was", f"{_CHANGE} WHEN OLD.revoked_at IS NULL", _lost(_BUT_FOR_NEW)),
        ("award_is", f"{_CHANGE} WHEN NEW.revoked_at IS NULL", _GAINED),
        ("award_renamed", 'AFTER UPDATE OF "user" ON awards', _KNOWN + _UNKNOWN),
        ("award_lost", "AFTER DELETE ON awards WHEN OLD.revoked_at IS NULL", _lost()),
        ("award_gone", "AFTER DELETE ON awards", _UNKNOWN),
        ("event_known", "AFTER INSERT ON events WHEN NEW.tally = 1", _KNOWN),  # the first of its user and name
        ("event_renamed", 'AFTER UPDATE OF "user" ON events', _KNOWN + _UNKNOWN),
        ("event_gone", "AFTER DELETE ON events", _UNKNOWN),
        ("standing_new", "AFTER INSERT ON standings", "UPDATE holders SET users = users + 1 WHERE badge = '';"),
        ("standing_gone", "AFTER DELETE ON standings", "UPDATE holders SET users = users - 1 WHERE badge = '';"),
    )
)
VERSION_5 = (*TOTALS, *COUNT_ANEW, *TRIGGERS)

#: Without its late-comers a tally stays right whatever comes. Where these are many, `late_counts` has how many there
#: are in each month, day and so on.
VERSION_6 = (
    'ALTER TABLE "events" ADD COLUMN "late_tally" INTEGER NOT NULL DEFAULT 0',
    # What a prune made count as if it had come in time does not have all late ones of smaller numbers before it.
    """
    UPDATE events SET tally = CASE WHEN old THEN counted.in_time + late_before ELSE tally END,
        late_tally = CASE WHEN old THEN late_before ELSE tally - counted.in_time END
    FROM (
        SELECT number, old, late_before,
            coalesce(max(in_time) OVER (PARTITION BY "user", name ORDER BY at, number), 0) AS in_time
        FROM (
            SELECT *, CASE
                WHEN old THEN max(
                    tally - late_before, sum(late = 0) OVER (PARTITION BY "user", name ORDER BY at, number)
                )
                WHEN late = 0 THEN tally - sum(late) OVER (PARTITION BY "user", name ORDER BY number)
            END AS in_time FROM (
                SELECT *, CASE WHEN old THEN (
                    SELECT count(*) FROM events INDEXED BY event_late WHERE "user" = e."user" AND name = e.name
                        AND late = 1 AND number < e.number AND at <= e.at
                ) END AS late_before
                FROM (
                    SELECT *,
                        late = 0 AND at < coalesce((SELECT before FROM prunes WHERE name = events.name), '') AS old
                    FROM events WHERE ("user", name) IN (SELECT "user", name FROM events WHERE late = 1)
                        OR name IN (SELECT name FROM prunes)
                ) e
            )
        )
    ) counted
    WHERE counted.number = events.number
    """,
    """
    CREATE TABLE "late_counts" (
        "user" TEXT NOT NULL,
        "name" TEXT NOT NULL,
        "length" INTEGER NOT NULL,
        "moment" TEXT NOT NULL,
        "events" INTEGER NOT NULL,
        PRIMARY KEY ("user", "name", "length", "moment")
    ) WITHOUT ROWID
    """,
    *count_anew(),
)

MIGRATIONS: Sequence[Sequence[str]] = [VERSION_1, VERSION_2, VERSION_3, VERSION_4, VERSION_5, VERSION_6]
SCHEMA_VERSION = len(MIGRATIONS)
