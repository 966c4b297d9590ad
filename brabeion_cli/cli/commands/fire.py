"""`fire`: record one event."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import Any

import click

from brabeion_cli.cli import options, output
from brabeion_cli.domain import events
from brabeion_cli.domain.outcomes import Failure, Outcome, OutcomeKind, failure_text
from brabeion_cli.errors import EventError, FileProblemError
from brabeion_cli.ingest.client import IngestClient
from brabeion_cli.ingest.messages import FireAnswer
from brabeion_cli.project.config import Config, native


@click.command("fire")
@click.argument("event")
@click.option("--state", metavar="JSON", help="The event's state: a JSON object, @FILE, or - for stdin.")
@click.option("--user", help="The user, if the state does not name one.")
@click.option("--at", metavar="TIME", help="When it happened (ISO 8601; UTC if it has no zone). Default: now.")
@click.option("--id", "event_id", metavar="ID", help="Your key for the event: the same id is recorded once.")
@click.option("--dry-run", is_flag=True, help="Show what would happen; record nothing.")
@click.option("--strict", is_flag=True, help="Refuse an event that no badge listens to.")
@options.as_json
@options.everywhere
def fire_command(
    event: str,
    state: str | None,
    user: str | None,
    at: str | None,
    event_id: str | None,
    dry_run: bool,
    strict: bool,
    as_json: bool,
) -> int:
    """Record one event and award what it earns.

    \b
        brabeion fire points_awarded --user alice --state '{"points": 8000}'
    """
    config = options.resolve()
    value = events.parse_json(_state_text(state, config.max_state_bytes)) if state is not None else {}
    made = events.make(event, value, user=user, at=at, id=event_id, now=options.now(), max_bytes=config.max_state_bytes)
    with _database_for(config, dry_run) as there, contextlib.closing(_client(there, dry_run)) as client:
        answer, failures = client.fire(made, strict=strict, dry_run=dry_run)
    if answer.unheard is not None:
        verb = "would be recorded" if dry_run else "recorded"
        options.notice(f"{verb}, but no badge listens to {made.name!r}{answer.unheard}")
    for failure in failures:
        options.notice(failure)
    if as_json:
        click.echo(output.json_text(_fire_json(answer, dry_run)))
    else:
        _tell(answer, dry_run)
    return 1 if any(outcome.outcome is OutcomeKind.ERROR for outcome in answer.recorded.outcomes) else 0


def _client(config: Config, dry_run: bool) -> IngestClient:
    return IngestClient(config) if dry_run else IngestClient(config, lambda: options.notice(f"created {config.db}"))


def _state_text(given: str, max_bytes: int) -> str:
    """The JSON text that --state stands for."""
    longest = events.longest_text(max_bytes)
    try:
        if given == "-":
            data = sys.stdin.buffer.read(longest + 1) if sys.stdin is not None else b""
        elif given.startswith("@"):
            with open(native(given[1:]), "rb") as file:
                data = file.read(longest + 1)
        else:
            data = given.encode(errors="surrogateescape")
        if len(data) > longest:
            raise EventError(f"more than {longest:,} bytes of state; {max_bytes:,} are recorded (max_state_bytes)")
        return data.decode().removeprefix("\ufeff")
    except OSError as error:
        raise FileProblemError(f"cannot read the state from {given[1:]}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise EventError(f"the state is not UTF-8 at byte {error.start + 1}") from None


@contextlib.contextmanager
def _database_for(config: Config, dry_run: bool) -> Iterator[Config]:
    """The configuration itself; for a dry run without a database, one that names a temporary database."""
    missing = not os.path.exists(config.db) and os.path.isdir(os.path.dirname(config.db))
    empty = os.path.isfile(config.db) and not os.path.getsize(config.db)
    if not dry_run or not (missing or empty):
        yield config
        return
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        yield config._replace(db=os.path.join(folder, "dry-run.db"))


def _fire_json(answer: FireAnswer, dry_run: bool) -> dict[str, Any]:
    recorded = answer.recorded
    made = recorded.event
    event = {"name": made.name, "user": made.user, "at": made.at, "id": made.id, "duplicate": recorded.duplicate}
    results = [outcome.as_json() for outcome in recorded.outcomes]
    return {"event": event, "results": results} | ({"dry_run": True} if dry_run else {})


def _tell(answer: FireAnswer, dry_run: bool) -> None:
    recorded = answer.recorded
    if recorded.duplicate:
        options.say(f"duplicate: an event with id {recorded.event.id!r} was recorded before; nothing happened")
        return
    new = [
        outcome._replace(outcome=OutcomeKind.HELD)
        for outcome in recorded.outcomes
        if outcome.outcome is OutcomeKind.AWARDED
    ]
    told = [line for outcome in recorded.outcomes if outcome not in new and (line := outcome_line(outcome))]
    failed = [outcome for outcome in recorded.outcomes if outcome.outcome is OutcomeKind.ERROR]
    verb = "would record" if dry_run else "recorded"
    for line in told or [f"{verb} {recorded.event.name} for {recorded.event.user}" + "; nothing earned" * (not failed)]:
        options.say(("would be: " if dry_run and told else "") + line)
    for outcome in failed:
        again = "" if dry_run or outcome.task is None else f"; queued for another try (task {outcome.task})"
        options.complain(
            f"badge {outcome.badge} failed: {failure_text(Failure(outcome.error or '', outcome.where))}{again}"
        )


def outcome_line(outcome: Outcome) -> str | None:
    """A line about an outcome, for people; None if it has no line on stdout."""
    name = f"{outcome.badge}: {outcome.level_name}" + (f" [{outcome.key}]" if outcome.key is not None else "")
    lines = {
        OutcomeKind.AWARDED: f"{outcome.user} earned {name}",
        OutcomeKind.HELD: f"{outcome.user} already has {name}",
        OutcomeKind.REVOKED: f"{outcome.user} had {name} revoked; it is not awarded again",
        OutcomeKind.QUEUED: f"{outcome.badge} is queued" + (f" (task {outcome.task})" if outcome.task else ""),
    }
    return lines.get(outcome.outcome)
