"""A queue with tasks, seen from outside (`process-queue`) and from inside (claims)."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from brabeion_cli.domain import events
from brabeion_cli.domain.timeline import JournalEntry
from brabeion_cli.store import task_queue
from brabeion_cli.store.store import Store
from brabeion_cli.store.task_queue import Claim
from tests.support.moments import NOW
from tests.support.project import Project

#: What `process-queue --json` prints when there is nothing to do.
COUNTS = {"done": 0, "awarded": 0, "retried": 0, "dead": 0, "remaining": 0}


def queue_tasks(project: Project, body: str, count: int = 1, *, user: str = "u{n}", **attributes: Any) -> None:
    """A deferred badge with that award(), and `count` events: each of a user of its own, unless `user` says else."""
    project.simple_badge(body, async_=True, **attributes)
    lines = [
        json.dumps({"event": "it_happened", "user": user.format(n=n), "id": n, "state": {"n": n}}) for n in range(count)
    ]
    project.ok("ingest", stdin="\n".join(lines))


def add_tasks(store: Store, count: int, text: str = "{}") -> None:
    """Tasks of the badge `one`, each with an event and a user of its own."""
    with store.transaction():
        for number in range(count):
            made = events.make("e", {}, user=f"u{number}", now=NOW, max_bytes=100)
            event = store.events.add(made._replace(state_json=text))
            assert event is not None
            task_queue.defer(store, "one", JournalEntry(event, "e", made.user, made.at, None, text), None, NOW)


def claim(store: Store, seconds: float = 0, limit: int = 1, max_attempts: int = 5) -> Claim:
    """What a worker claims some seconds later, for a minute."""
    return task_queue.claim(store, limit, 60, max_attempts, NOW + timedelta(seconds=seconds))
