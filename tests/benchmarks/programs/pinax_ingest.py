"""pinax-badges, and a stream of events: prints how many seconds they took, without start-up.

    pinax_ingest.py EVENTS DATABASE [journal]

With `journal` each event is recorded, too, by a model with the columns and indexes of ours, in one transaction with its
awards. Its users are there before, and are looked up in a dictionary.
"""

import json
import sys
import time
import warnings

warnings.simplefilter("ignore")

import django  # noqa: E402
from django.conf import settings  # noqa: E402

stream, path, *options = sys.argv[1:]
settings.configure(
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "pinax.badges"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": path}},
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    USE_TZ=True,
)
django.setup()

from django.contrib.auth.models import User  # noqa: E402
from django.db import connection, models, transaction  # noqa: E402
from pinax.badges.base import Badge, BadgeAwarded  # noqa: E402
from pinax.badges.models import BadgeAward  # noqa: E402
from pinax.badges.registry import badges  # noqa: E402


class PointsBadge(Badge):
    slug = "points"
    levels = ["Bronze", "Silver", "Gold"]
    events = ["points_awarded"]
    multiple = False

    def award(self, **state):
        points = state["points"]
        if points > 10000:
            return BadgeAwarded(level=3)
        if points > 7500:
            return BadgeAwarded(level=2)
        if points > 5000:
            return BadgeAwarded(level=1)


badges.register(PointsBadge)


class Event(models.Model):
    name = models.TextField()
    user = models.TextField()
    at = models.TextField()
    id = models.TextField(null=True, unique=True)
    number = models.AutoField(primary_key=True)
    state = models.TextField()
    tally = models.IntegerField(default=0)
    late = models.IntegerField(default=0)

    class Meta:
        app_label = "badges"
        indexes = [
            models.Index(fields=["user", "name", "at"], name="user_name_at"),
            models.Index(fields=["name", "at"], name="name_at"),
        ]


with connection.cursor() as cursor:
    cursor.execute("PRAGMA journal_mode = wal")
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute("PRAGMA foreign_keys = OFF")
with connection.schema_editor() as editor:
    for model in (User, BadgeAward, Event):
        editor.create_model(model)

with open(stream) as file:
    lines = file.readlines()
names = {json.loads(line)["user"] for line in lines}
User.objects.bulk_create(User(username=name) for name in sorted(names))
users = {user.username: user for user in User.objects.all()}
tallies = dict.fromkeys(names, 0)

start = time.perf_counter()
for line in lines:
    event = json.loads(line)
    if not options:
        badges.possibly_award_badge(event["event"], user=users[event["user"]], **event["state"])
        continue
    with transaction.atomic():
        tallies[event["user"]] += 1
        Event.objects.create(
            name=event["event"], user=event["user"], at=event["at"], id=event["id"],
            state=json.dumps(event["state"]), tally=tallies[event["user"]],
        )  # fmt: skip
        badges.possibly_award_badge(event["event"], user=users[event["user"]], **event["state"])
print(time.perf_counter() - start)
