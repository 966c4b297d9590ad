"""The tables. Times are ISO 8601 text in UTC, and levels count from 1. Any SQLite tool can read them.

The models belong to no database. `Store.ask` binds a query to one.
"""

from __future__ import annotations

from peewee import SQL, AutoField, CompositeKey, ForeignKeyField, IntegerField, Model, TextField


class EventRow(Model):
    """An event of the journal. `number` gives the order in which events were recorded."""

    number = AutoField()
    name = TextField()
    user = TextField()
    at = TextField()
    id = TextField(null=True, unique=True)  # the caller's
    state = TextField()  # JSON
    tally = IntegerField(constraints=[SQL("DEFAULT 0")])  # events of its user and name up to it, when it was recorded
    late = IntegerField(constraints=[SQL("DEFAULT 0")])  # 1: recorded after one of its user and name with a later time
    late_tally = IntegerField(constraints=[SQL("DEFAULT 0")])  # how many of the tally are late

    class Meta:
        name = "event"  # of its indexes
        table_name = "events"
        indexes = ((("user", "name", "at"), False), (("name", "at"), False))


EventRow.add_index(SQL('CREATE INDEX "event_late" ON "events" ("user", "name", "number", "at", "late") WHERE late = 1'))


class AwardRow(Model):
    """An award. Its row stays when it is revoked, so that it is not awarded again."""

    user = TextField()
    badge = TextField()
    level = IntegerField()
    key = TextField(default="")  # "" if there is none, because NULLs are never equal
    occasion = IntegerField(default=0)  # tells awards of a `multiple` badge without a key apart; else 0
    awarded_at = TextField()
    event = ForeignKeyField(EventRow, column_name="event_number", null=True, index=False)
    given_by = TextField(null=True)
    reason = TextField(null=True)
    revoked_at = TextField(null=True)
    revoked_by = TextField(null=True)
    revoked_because = TextField(null=True)
    position = IntegerField(constraints=[SQL("DEFAULT 0")])  # among the awards of its event, from 1; 0: by hand

    class Meta:
        name = "award"  # of its indexes
        table_name = "awards"
        # This key, not a query before the insert, makes sure that nothing is awarded twice.
        primary_key = CompositeKey("user", "badge", "level", "key", "occasion")
        without_rowid = True
        indexes = ((("event", "position"), False),)
        constraints = [SQL("CHECK (event_number IS NOT NULL OR (given_by IS NOT NULL AND reason IS NOT NULL))")]


class TaskRow(Model):
    """A deferred evaluation. Its row is deleted when it is done.

    `due_at` is when a worker may claim it. If a worker holds it, that is when the lease runs out. NULL: the task is
    dead.
    """

    number = IntegerField(constraints=[SQL("PRIMARY KEY AUTOINCREMENT")])  # numbers are never reused
    event = ForeignKeyField(EventRow, column_name="event_number")
    badge = TextField()
    state = TextField(null=True)  # what freeze() returned; NULL: use the event's state
    attempts = IntegerField(default=0)
    due_at = TextField(null=True, index=True)
    token = TextField(null=True)  # of the claim that holds it
    error = TextField(null=True)
    error_at = TextField(null=True)  # file and line
    award = TextField(null=True)  # JSON of the award that it is about; NULL: it is about the event

    class Meta:
        name = "task"  # of its indexes
        table_name = "tasks"
        primary_key = False


TaskRow.add_index(SQL('CREATE INDEX "task_held" ON "tasks" ("due_at") WHERE token IS NOT NULL'))


class PruneRow(Model):
    """Events of this name before that moment were deleted, except the few that are still needed."""

    name = TextField(primary_key=True)
    before = TextField()

    class Meta:
        table_name = "prunes"


class StandingRow(Model):
    """A user with an event or an award, and totals of the awards that the user holds. Triggers keep it up to date."""

    user = TextField(primary_key=True)
    awards = IntegerField()
    badges = IntegerField()  # different ones
    last_awarded_at = TextField()  # "" if the user holds none

    class Meta:
        table_name = "standings"
        without_rowid = True


StandingRow.add_index(SQL('CREATE INDEX "standing_order" ON "standings" ("awards" DESC, "last_awarded_at", "user")'))


class HolderRow(Model):
    """How many users hold a level of a badge. The row of badge "" and level 0 counts all users.

    Triggers keep it up to date.
    """

    badge = TextField()
    level = IntegerField()
    users = IntegerField()

    class Meta:
        table_name = "holders"
        primary_key = CompositeKey("badge", "level")
        without_rowid = True


class LateCountRow(Model):
    """How many late events of a user and name are dated in one month, day, hour, minute or second.

    Only for users with many late events of that name.
    """

    user = TextField()
    name = TextField()
    length = IntegerField()  # of `moment`: 7 for a month, 10 day, 13 hour, 16 minute, 19 second
    moment = TextField()
    events = IntegerField()

    class Meta:
        table_name = "late_counts"
        primary_key = CompositeKey("user", "name", "length", "moment")
        without_rowid = True


MODELS = [EventRow, AwardRow, TaskRow, PruneRow, StandingRow, HolderRow, LateCountRow]
