"""`replay`: evaluate the journal again."""

from __future__ import annotations

import contextlib
from collections import Counter
from typing import Any

import click

from brabeion_cli.cli import options, output
from brabeion_cli.cli.failure_counts import FailureCounts
from brabeion_cli.domain import events, timestamps
from brabeion_cli.domain.outcomes import failure_text
from brabeion_cli.replay import client
from brabeion_cli.replay.messages import Checkpoint, ReplayReport, ReplayRequest, StartedAgain
from brabeion_cli.runtime.messages import Notified
from brabeion_cli.store.award_changes import LevelChange, LevelPlace
from brabeion_cli.store.event_range import EventRange


@click.command("replay")
@click.option("--badge", "slugs", multiple=True, metavar="SLUG", help="Only that badge; may be repeated.")
@click.option("--user", help="Only that user's events.")
@click.option("--since", metavar="TIME", help="Only events at or after that time.")
@click.option("--until", metavar="TIME", help="Only events before that time.")
@click.option("--dry-run", is_flag=True, help="Show what would change; write nothing.")
@click.option("--prune", is_flag=True, help="Revoke awards that are no longer earned.")
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
    """Run the badges over the journal again: award what is missing, find what is no longer earned.

    Deferred badges run at once. See what a new badge would award:

    \b
        brabeion replay --dry-run
    """
    config = options.resolve()
    chosen = EventRange(None if user is None else events.text_or_number(user, "user"))
    if since is not None:
        chosen = chosen._replace(since=timestamps.moment(since, "--since"))
    if until is not None:
        chosen = chosen._replace(until=timestamps.moment(until, "--until"))
    request = ReplayRequest(chosen, slugs or None, options.now(), dry_run, prune)
    totals = _Totals()
    answers = client.replay(config, request, notify=notify and not dry_run)
    with contextlib.closing(answers), output.progress("replay", None) as meter:
        for answer in answers:
            if isinstance(answer, Checkpoint):
                totals.add(answer)
                meter(answer.done, f"{answer.done:,} of {answer.total:,} events", answer.total)
            elif isinstance(answer, StartedAgain):
                totals.start_again(dry_run)
            elif isinstance(answer, Notified):
                for failure in answer.failures:
                    options.notice(failure)
            else:
                report = answer
    totals.failures.sum_up("fix the badge, then replay again")
    for need in report.pruned_needs:
        options.notice(
            f"badge {need.slug} needs {need.event}, which was pruned before {need.before}: "
            "none of its awards is reported as stale"
        )
    if as_json:
        click.echo(output.json_text(_json(report, totals) | ({"dry_run": True} if dry_run else {})))
    else:
        _tell(report, totals, dry_run)
    return 1 if totals.failures.total else 0


class _Totals:
    """Counts what checkpoints report, and prints failures on stderr."""

    def __init__(self) -> None:
        self.awards: Counter[LevelPlace] = Counter()
        self.started_again = False
        self.failures = FailureCounts()

    def add(self, checkpoint: Checkpoint) -> None:
        self.awards.update(LevelPlace(award.grant.slug, award.grant.level) for award in checkpoint.awards)
        for entry, slug, failure in checkpoint.failures:
            which = f"event {entry.number}" + (f" (id {entry.id})" if entry.id is not None else "")
            self.failures.tell(slug, f"badge {slug} failed for {which} of {entry.user}: {failure_text(failure)}")

    def start_again(self, dry_run: bool) -> None:
        """Forget what will come again. Awards that were entered will not."""
        self.started_again = True
        self.failures.forget()
        if dry_run:
            self.awards.clear()


def _json(report: ReplayReport, totals: _Totals) -> dict[str, Any]:
    badges: dict[str, dict[str, int]] = {}
    for place, count in sorted(totals.awards.items()):
        badges.setdefault(place.slug, {})[str(place.level)] = count
    return {
        "events": report.events,
        "awarded": totals.awards.total(),
        "stale": report.stale,
        "revoked": report.revoked,
        "errors": totals.failures.total,
        "badges": badges,
    }


def _tell(report: ReplayReport, totals: _Totals, dry_run: bool) -> None:
    changes = report.changes
    if totals.started_again and not dry_run:
        # The child that ended had noted the users who gained. The number of awards comes close to that of users.
        changes = [change._replace(gained=totals.awards[LevelPlace(change.slug, change.level)]) for change in changes]
    changes = [change for change in changes if dry_run or change.gained or change.stale]
    if changes:
        gain = "would gain it" if dry_run else "gained it"
        columns = ("badge", "level", "name", gain, "no longer earned", "for example")
        cells = [
            (change.slug, change.level, change.level_name, change.gained, change.stale, _names(change))
            for change in changes
        ]
        output.table(columns, cells, numbers=("level", gain, "no longer earned"))
    would = "would be " if dry_run else ""
    parts = [
        f"{report.events:,} events",
        f"{totals.awards.total():,} {would}awarded",
        f"{report.stale:,} no longer earned" + (f", {report.revoked:,} {would}revoked" if report.revoked else ""),
        f"{totals.failures.total:,} errors",
    ]
    click.echo(", ".join(parts))


def _names(change: LevelChange) -> str:
    return ", ".join(change.names) + (", …" if change.gained > len(change.names) else "")
