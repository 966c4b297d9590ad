-- Version 4. Released: never change it, not even its white space, which SQLite keeps in the schema.
-- Tasks that workers hold are few: this index finds them without a look at those that are due.

CREATE INDEX "task_held" ON "tasks" ("due_at") WHERE token IS NOT NULL;
