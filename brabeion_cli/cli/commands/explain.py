"""`explain`: why a user has a badge or does not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from brabeion_cli.cli import options, output
from brabeion_cli.domain import events
from brabeion_cli.domain.outcomes import Failure, failure_text
from brabeion_cli.queries import client
from brabeion_cli.queries.explanation import Explanation, Status
from brabeion_cli.store.award_log import REPLAY
from brabeion_cli.store.task_admin import TaskStatus

SHOWN = 10  # awards or tasks that are printed


@click.command("explain")
@click.option("--user", required=True, help="The user.")
@click.option("--badge", required=True, metavar="SLUG", help="The badge's slug.")
@options.as_json
@options.everywhere
def explain_command(user: str, badge: str, as_json: bool) -> None:
    """Say why a user has a badge or does not have it.

    \b
        brabeion explain --user alice --badge points
    """
    config = options.resolve()
    user, badge = events.text_or_number(user, "user"), events.text_or_number(badge, "badge")
    found = client.ask_explanation(config, user, badge, options.now())
    if as_json:
        click.echo(output.json_text(found._asdict()))
        return
    tell = {
        Status.HELD: _held,
        Status.REVOKED: _revoked,
        Status.QUEUED: _tasks,
        Status.DEAD: _tasks,
        Status.NOT_EARNED: _not_earned,
        Status.NO_EVENTS: _no_events,
    }
    for line in tell[found.status](found):
        options.say(line)


def _held(found: Explanation) -> Iterator[str]:
    present = [award for award in found.awards if award["revoked_at"] is None]
    for award in present[:SHOWN]:
        yield f"{found.user} has {_named(found.badge, award)} since {_time(award['awarded_at'])}"
        yield from _origin(award)
    if len(present) > SHOWN:
        yield f"… and more; `brabeion list --user {found.user} --badge {found.badge}` shows all"


def _revoked(found: Explanation) -> Iterator[str]:
    for award in found.awards[:SHOWN]:
        yield f"{found.user} had {_named(found.badge, award)} since {_time(award['awarded_at'])}"
        yield from _origin(award)
        revoked = f"  revoked at {_time(award['revoked_at'])} by"
        if award["revoked_by"] == REPLAY:
            yield f"{revoked} a replay: {award['revoked_because']}"
        else:
            yield f"{revoked} {award['revoked_by']}: {award['revoked_because']}; it is not awarded again"
    yield from _more(found.awards)


def _tasks(found: Explanation) -> Iterator[str]:
    for task in found.tasks[:SHOWN]:
        event = task["event"]
        about = f"{found.badge} for {found.user}, for {event['name']} at {_time(event['at'])}{_id(event)}"
        failed = "" if task["error"] is None else f": {failure_text(Failure(task['error'], task['where']))}"
        number, attempts = task["task"], task["attempts"]
        if task["status"] is TaskStatus.DEAD:
            yield f"given up after {attempts} attempts: {about}{failed}"
            yield f"  `brabeion queue retry {number}` runs it again (task {number})"
        elif task["status"] is TaskStatus.RUNNING:
            yield f"running: {about} (task {number}, attempt {attempts}){failed}"
        else:
            yield f"queued: {about} (task {number}, {attempts} attempts so far, due at {_time(task['due_at'])}){failed}"
            yield "  `brabeion process-queue` runs what is due"
    yield from _more(found.tasks)


def _more(rows: list[dict[str, Any]]) -> Iterator[str]:
    """A line if not all rows are shown."""
    if len(rows) > SHOWN:
        yield f"… and {len(rows) - SHOWN:,} more; --json shows them"


def _not_earned(found: Explanation) -> Iterator[str]:
    yield f"{found.user} does not have {found.badge}"
    yield from _counted(found)
    answer = found.answer
    assert answer is not None
    event = answer["event"]
    asked = f"  asked now about {event['name']} at {_time(event['at'])}{_id(event)}, award()"
    if answer["outcome"] == "error":
        yield f"{asked} fails: {failure_text(Failure(answer['error'], answer['where']))}"
    elif answer["outcome"] == "none":
        yield f"{asked} returns None: not earned"
    else:
        earned = ", ".join(f"{_named(found.badge, award)} for {award['user']}" for award in answer["awards"])
        missing = any(not award["held"] for award in answer["awards"])
        then = f"; `brabeion replay --badge {found.badge}` awards what is missing" if missing else ", which is held"
        yield f"{asked} returns {earned}{then}"


def _no_events(found: Explanation) -> Iterator[str]:
    names = " or ".join(event["event"] for event in found.events)
    yield f"{found.user} does not have {found.badge}"
    if found.near is None:
        yield f"  {found.user} has no event {names}, which the badge listens to; other users have"
    else:
        yield f"  there never was an event {names}, which the badge listens to{found.near}"


def _counted(found: Explanation) -> Iterator[str]:
    for event in found.events:
        last = event["last"]
        yield f"  {event['count']:,} {event['event']}" + ("" if last is None else f", the last {_what(last)}")


def _origin(award: dict[str, Any]) -> Iterator[str]:
    event = award["event"]
    if event is None:
        yield f"  given by {award['given_by']}: {award['reason']}"
    else:
        whose = f" of {event['user']}" if event["user"] != award["user"] else ""
        yield f"  for {event['name']}{whose} {_what(event)}"


def _what(event: dict[str, Any]) -> str:
    return f"at {_time(event['at'])}{_id(event)}, state {output.json_line(event['state'])}"


def _named(slug: str, award: dict[str, Any]) -> str:
    key = "" if award["key"] is None else f" [{award['key']}]"
    return f"{slug}: {award['level_name'] or 'level ' + str(award['level'])}{key}"


def _id(event: dict[str, Any]) -> str:
    return "" if event["id"] is None else f" (id {event['id']})"


def _time(moment: str) -> str:
    return moment[:19].replace("T", " ")
