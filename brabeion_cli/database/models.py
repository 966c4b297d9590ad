"""The tables, as people may read them with any SQLite tool. Times are ISO 8601 text in UTC, levels count from 1.

The models belong to no database: `Store.ask` binds a query to the one that is meant.
"""

from __future__ import annotations

from peewee import SQL, AutoField, CompositeKey, ForeignKeyField, IntegerField, Model, TextField


class EventRow(Model):
    """The journal: what happened, in the order in which it was recorded."""

    number = AutoField()
    name = TextField()
    user = TextField()
    at = TextField()
    id = TextField(null=True, unique=True)  # the caller's
    state = TextField()  # JSON
    tally = IntegerField(constraints=[SQL("DEFAULT 0")])  # the how-manieth of its user and name, when it was recorded
    late = IntegerField(constraints=[SQL("DEFAULT 0")])  # 1: a later one of its user and name was recorded before
    late_tally = IntegerField(constraints=[SQL("DEFAULT 0")])  # how many of the tally were late

    class Meta:
        name = "event"  # of its indexes
        table_name = "events"
        indexes = ((("user", "name", "at"), False), (("name", "at"), False))


EventRow.add_index(SQL('CREATE INDEX "event_late" ON "events" ("user", "name", "number", "at", "late") WHERE late = 1'))


class AwardRow(Model):
    """Who holds what. A row stays when it is revoked, so that the award is not given again."""

    user = TextField()
    badge = TextField()
    level = IntegerField()
    key = TextField(default="")  # "" where there is none: NULLs would never be equal
    occasion = IntegerField(default=0)  # the event's number, for a `multiple` badge without a key
    awarded_at = TextField()
    event = ForeignKeyField(EventRow, column_name="event_number", null=True, index=False)
    given_by = TextField(null=True)
    reason = TextField(null=True)
    revoked_at = TextField(null=True)
    revoked_by = TextField(null=True)
    revoked_because = TextField(null=True)
    position = IntegerField(constraints=[SQL("DEFAULT 0")])  # the how-manieth award of its event; 0: by hand

    class Meta:
        name = "award"  # of its indexes
        table_name = "awards"
        # "Nothing is awarded twice" is this key, not a look before the insert.
        primary_key = CompositeKey("user", "badge", "level", "key", "occasion")
        without_rowid = True
        indexes = ((("event", "position"), False),)
        constraints = [SQL("CHECK (event_number IS NOT NULL OR (given_by IS NOT NULL AND reason IS NOT NULL))")]


class TaskRow(Model):
    """Deferred evaluations. A task that is done is gone.

    `due_at` is when it may be claimed: for a task that a worker holds, when its lease runs out; NULL for a dead one.
    """

    number = IntegerField(constraints=[SQL("PRIMARY KEY AUTOINCREMENT")])  # numbers are never used again
    event = ForeignKeyField(EventRow, column_name="event_number")
    badge = TextField()
    state = TextField(null=True)  # what freeze() returned; NULL: the event's own
    attempts = IntegerField(default=0)
    due_at = TextField(null=True, index=True)
    token = TextField(null=True)  # of the worker that holds it
    error = TextField(null=True)
    error_at = TextField(null=True)  # file and line
    award = TextField(null=True)  # what it is about, where that is an award and not the event itself; JSON

    class Meta:
        name = "task"  # of its indexes
        table_name = "tasks"
        primary_key = False


TaskRow.add_index(SQL('CREATE INDEX "task_held" ON "tasks" ("due_at") WHERE token IS NOT NULL'))


class PruneRow(Model):
    """Of the events of this name those before that moment were deleted, but for a few."""

    name = TextField(primary_key=True)
    before = TextField()

    class Meta:
        table_name = "prunes"


class StandingRow(Model):
    """A user with an event or an award, and totals of the awards that are held. SQLite keeps it."""

    user = TextField(primary_key=True)
    awards = IntegerField()
    badges = IntegerField()  # different ones
    last_awarded_at = TextField()  # "" where there are none

    class Meta:
        table_name = "standings"
        without_rowid = True


StandingRow.add_index(SQL('CREATE INDEX "standing_order" ON "standings" ("awards" DESC, "last_awarded_at", "user")'))


class HolderRow(Model):
    """How many users hold a level of a badge; for the badge "" and level 0, how many there are. SQLite keeps it."""

    badge = TextField()
    level = IntegerField()
    users = IntegerField()

    class Meta:
        table_name = "holders"
        primary_key = CompositeKey("badge", "level")
        without_rowid = True


class LateCountRow(Model):
    """How many events of a user and name came late, of those of a month, a day and so on, where they are many."""

    user = TextField()
    name = TextField()
    length = IntegerField()  # of the moment: 7 for a month, 10 for a day, 13, 16, 19 for a second
    moment = TextField()
    events = IntegerField()

    class Meta:
        table_name = "late_counts"
        primary_key = CompositeKey("user", "name", "length", "moment")
        without_rowid = True


MODELS = [EventRow, AwardRow, TaskRow, PruneRow, StandingRow, HolderRow, LateCountRow]
