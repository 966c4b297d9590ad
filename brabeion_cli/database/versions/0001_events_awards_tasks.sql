-- Version 1. Released: never change it, not even its white space, which SQLite keeps in the schema.
-- The journal, the awards and the queue.

CREATE TABLE "events" (
        "number" INTEGER NOT NULL PRIMARY KEY,
        "name" TEXT NOT NULL,
        "user" TEXT NOT NULL,
        "at" TEXT NOT NULL,
        "id" TEXT,
        "state" TEXT NOT NULL
    )
    ;

CREATE UNIQUE INDEX "event_id" ON "events" ("id");

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
    ;

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
    ;

CREATE INDEX "task_due_at" ON "tasks" ("due_at");
