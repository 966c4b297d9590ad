"""`replay`: the journal again."""

from __future__ import annotations

import contextlib
from collections import Counter
from typing import Any

import click

from brabeion_cli.cli import options, output
from brabeion_cli.cli.failures import Failures
from brabeion_cli.domain import events, timestamps
from brabeion_cli.domain.outcomes import failure_text
from brabeion_cli.engine.messages import Notified
from brabeion_cli.replay.checkpoints import Checkpoint
from brabeion_cli.replay.client import ReplayClient, StartedAgain
from brabeion_cli.replay.walk import ReplayReport
from brabeion_cli.store.event_range import EventRange
from brabeion_cli.store.reconciliation import LevelChange


@click.command("replay")
@click.option("--badge", "slugs", multiple=True, metavar="SLUG", help="Only that badge; may be repeated.")
@click.option("--user", help="Only that user's events.")
@click.option("--since", metavar="TIME", help="Only events at or after that time.")
@click.option("--until", metavar="TIME", help="Only events before that time.")
@click.option("--dry-run", is_flag=True, help="Say what would change; write nothing.")
@click.option("--prune", is_flag=True, help="Revoke awards that the rules no longer give.")
@click.option("--notify", is_flag=True, help="Send badge_awarded for new awards.")
@options.as_json
@options.everywhere
def replay_command(
    slugs: tuple[str, ...],
    user: str | None,
    since: str | None,
    until: str | None,
    dry_run: bool,
    prune: bool,
    notify: bool,
    as_json: bool,
) -> int:
    """Evaluate the journal again: award what is missing, find what the rules no longer give.

    What would a new badge do? Deferred badges are asked, too, at once.

    \b
        brabeion replay --dry-run
    """
    config = options.resolve()
    stretch = EventRange(None if user is None else events.text_or_number(user, "user"))
    if since is not None:
        stretch = stretch._replace(since=timestamps.moment(since, "--since"))
    if until is not None:
        stretch = stretch._replace(until=timestamps.moment(until, "--until"))
    replaying = ReplayClient(config, stretch, badges=slugs or None, dry_run=dry_run, prune=prune, notify=notify)
    tally = _Tally()
    with contextlib.closing(replaying.run()) as answers, output.progress("replay", None) as meter:
        for answer in answers:
            if isinstance(answer, Checkpoint):
                tally.add(answer)
                meter(answer.done, f"{answer.done:,} of {answer.total:,} events", answer.total)
            elif isinstance(answer, StartedAgain):
                tally.begin_anew(dry_run)
            elif isinstance(answer, Notified):
                for failure in answer.failures:
                    options.notice(failure)
            else:
                result = answer
    tally.failures.sum_up("mend it, then replay again")
    for badge, event, before in result.unsure:
        options.notice(
            f"badge {badge} needs {event}, which was pruned before {before}: none of its awards is called stale"
        )
    if as_json:
        click.echo(output.json_text(_json(result, tally) | ({"dry_run": True} if dry_run else {})))
    else:
        _tell(result, tally, dry_run)
    return 1 if tally.failures.total else 0


class _Tally:
    """Counts what steps tell, and says on stderr what went wrong."""

    def __init__(self) -> None:
        self.awards: Counter[tuple[str, int]] = Counter()
        self.anew = False
        self.failures = Failures()

    def add(self, step: Checkpoint) -> None:
        self.awards.update((award.grant.badge, award.grant.level) for award in step.awards)
        for entry, badge, failure in step.failures:
            which = f"event {entry.number}" + (f" (id {entry.id})" if entry.id is not None else "")
            self.failures.tell(badge, f"badge {badge} failed for {which} of {entry.user}: {failure_text(failure)}")

    def begin_anew(self, dry_run: bool) -> None:
        """Forget what comes again; awards that were entered do not."""
        self.anew = True
        self.failures.forget()
        if dry_run:
            self.awards.clear()


def _json(result: ReplayReport, tally: _Tally) -> dict[str, Any]:
    badges: dict[str, dict[str, int]] = {}
    for (slug, level), count in sorted(tally.awards.items()):
        badges.setdefault(slug, {})[str(level)] = count
    return {
        "events": result.events,
        "awarded": tally.awards.total(),
        "stale": result.stale,
        "revoked": result.revoked,
        "errors": tally.failures.total,
        "badges": badges,
    }


def _tell(result: ReplayReport, tally: _Tally, dry_run: bool) -> None:
    changes = result.changes
    if tally.anew and not dry_run:  # the child that ended took its notes along; awards are nearly as good as users
        changes = [change._replace(gained=tally.awards[change[:2]]) for change in changes]
    changes = [change for change in changes if dry_run or change.gained or change.stale]
    if changes:
        gain = "would gain it" if dry_run else "gained it"
        columns = ("badge", "level", "name", gain, "no longer earned", "for example")
        cells = [(*change[:5], _names(change)) for change in changes]
        output.table(columns, cells, numbers=("level", gain, "no longer earned"))
    would = "would be " if dry_run else ""
    parts = [
        f"{result.events:,} events",
        f"{tally.awards.total():,} {would}awarded",
        f"{result.stale:,} no longer earned" + (f", {result.revoked:,} {would}revoked" if result.revoked else ""),
        f"{tally.failures.total:,} errors",
    ]
    click.echo(", ".join(parts))


def _names(change: LevelChange) -> str:
    return ", ".join(change.names) + (", …" if change.gained > len(change.names) else "")
