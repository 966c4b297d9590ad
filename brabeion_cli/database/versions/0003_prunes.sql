-- Version 3. Released: never change it, not even its white space, which SQLite keeps in the schema.
-- Which events were pruned, and an index by which SQLite sees that no task needs an event that goes.

CREATE TABLE "prunes" ("name" TEXT NOT NULL PRIMARY KEY, "before" TEXT NOT NULL);

CREATE INDEX "task_event_number" ON "tasks" ("event_number");
