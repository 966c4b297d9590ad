-- Version 6. Released: never change it, not even its white space, which SQLite keeps in the schema.
-- Without its late events a tally stays right, whatever comes. Where late events are many, `late_counts` has how many
-- there are in each month, day, hour, minute and second.

ALTER TABLE "events" ADD COLUMN "late_tally" INTEGER NOT NULL DEFAULT 0;

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
    ;

CREATE TABLE "late_counts" (
        "user" TEXT NOT NULL,
        "name" TEXT NOT NULL,
        "length" INTEGER NOT NULL,
        "moment" TEXT NOT NULL,
        "events" INTEGER NOT NULL,
        PRIMARY KEY ("user", "name", "length", "moment")
    ) WITHOUT ROWID
    ;

DELETE FROM late_counts WHERE 1;

INSERT INTO late_counts 
        SELECT "user", name, length, substr(at, 1, length) AS moment, count(*) AS events
        FROM (SELECT 1 WHERE 1) CROSS JOIN events INDEXED BY event_late CROSS JOIN (SELECT column1 AS length FROM (VALUES (7), (10), (13), (16), (19)))
        WHERE late = 1 AND ("user", name) IN (SELECT "user", name FROM events WHERE late = 1 AND 1 GROUP BY "user", name HAVING count(*) > 500) GROUP BY "user", name, length, moment
    ;
