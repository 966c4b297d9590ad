-- Version 2. Released: never change it, not even its white space, which SQLite keeps in the schema.
-- What the questions of a badge about its user's past need: indexes, and running counts. Events that are there already
-- count what is known now.

CREATE INDEX "event_user_name_at" ON "events" ("user", "name", "at");

CREATE INDEX "event_name_at" ON "events" ("name", "at");

ALTER TABLE "events" ADD COLUMN "tally" INTEGER NOT NULL DEFAULT 0;

ALTER TABLE "events" ADD COLUMN "late" INTEGER NOT NULL DEFAULT 0;

UPDATE events SET tally = counted.tally FROM (
        SELECT number, row_number() OVER (PARTITION BY "user", name ORDER BY at, number) AS tally FROM events
    ) counted
    WHERE counted.number = events.number
    ;

CREATE INDEX "event_late" ON "events" ("user", "name", "number", "at", "late") WHERE late = 1;

ALTER TABLE "awards" ADD COLUMN "position" INTEGER NOT NULL DEFAULT 0;

CREATE INDEX "award_event_number_position" ON "awards" ("event_number", "position");

UPDATE awards SET position = (
        SELECT count(*) FROM awards a WHERE a.event_number = awards.event_number
        AND (a.badge, a.level, a."key", a."user") <= (awards.badge, awards.level, awards."key", awards."user")
    )
    WHERE event_number IS NOT NULL
    ;

ALTER TABLE "tasks" ADD COLUMN "award" TEXT;
