"""`db`: maintain the database."""

from __future__ import annotations

import os
from typing import Any

import click

from brabeion_cli.cli import options, output
from brabeion_cli.database import backup, integrity
from brabeion_cli.database.migrations import SCHEMA_VERSION
from brabeion_cli.errors import TRY_AGAIN
from brabeion_cli.runtime.badge_process import catalogue_of
from brabeion_cli.store import retention
from brabeion_cli.store.retention import PruneReport
from brabeion_cli.store.store import open_store


@click.group("db")
@options.everywhere
def db_command() -> None:
    """Migrate, copy, check and prune the database.

    \b
        brabeion db backup /backups/badges.db
    """


@db_command.command("migrate")
@click.option("--recount", is_flag=True, help="Count the totals of users and badges again.")
@options.as_json
@options.everywhere
def migrate_command(recount: bool, as_json: bool) -> None:
    """Migrate an older database. Every other command does this, too, when it opens one.

    \b
        brabeion db migrate
    """
    config = options.resolve()
    with open_store(config.db) as store:
        before = store.migrated_from
        if recount:
            integrity.recount(store.database)
    if as_json:
        versions = {"from": SCHEMA_VERSION if before is None else before, "to": SCHEMA_VERSION}
        click.echo(output.json_text(versions | ({"recounted": True} if recount else {})))
        return
    if before is None:
        options.say(f"{config.db} has schema version {SCHEMA_VERSION} already")
    else:
        options.say(f"migrated {config.db} from schema version {before} to {SCHEMA_VERSION}")
    if recount:
        options.say("counted the totals again")


@db_command.command("backup")
@click.argument("file", type=options.PATH)
@click.option("--overwrite", is_flag=True, help="Replace FILE if it exists.")
@options.as_json
@options.everywhere
def backup_command(file: str, overwrite: bool, as_json: bool) -> None:
    """Copy the database to FILE as of one moment, even while others write.

    \b
        brabeion db backup badges-monday.db
    """
    with open_store(options.resolve().db) as store:
        size = backup.backup(store.database, store.path, file, overwrite=overwrite)
    if as_json:
        click.echo(output.json_text({"file": os.path.abspath(file), "bytes": size}))
    else:
        options.say(f"wrote {file} ({size:,} bytes)")


@db_command.command("verify")
@options.as_json
@options.everywhere
def verify_command(as_json: bool) -> int:
    """Read the whole database and say what is wrong with it.

    \b
        brabeion db verify
    """
    config = options.resolve()
    with open_store(config.db) as store:
        problems = list(integrity.problems(store.database))
    if as_json:
        click.echo(output.json_text({"ok": not problems, "problems": problems}))
    elif not problems:
        options.say(f"{config.db} is sound")
    for problem in () if as_json else problems:
        options.complain(f"{config.db}: {problem}")
    return TRY_AGAIN if problems else 0


@db_command.command("prune")
@click.option("--before", required=True, metavar="TIME", help="Delete events before that time.")
@click.option(
    "--event",
    "also",
    multiple=True,
    metavar="NAME",
    help="Prune this event too, even if badges need it; may be repeated.",
)
@click.option("--dry-run", is_flag=True, help="Show what would be deleted; write nothing.")
@options.as_json
@options.everywhere
def prune_command(before: str, also: tuple[str, ...], dry_run: bool, as_json: bool) -> None:
    """Delete old events that no badge listens to or asks about.

    Events that an award or a task refers to stay.

    \b
        brabeion db prune --before 2026-01-01 --dry-run
    """
    config = options.resolve()
    catalogue = catalogue_of(config)
    with open_store(config.db) as store:
        pruned = retention.prune(store, catalogue, before, also, now=options.now(), dry_run=dry_run)
    if as_json:
        click.echo(output.json_text(_pruned_json(pruned) | ({"dry_run": True} if dry_run else {})))
    else:
        _tell_pruned(pruned, dry_run)
    _warn(pruned, dry_run)


def _pruned_json(pruned: PruneReport) -> dict[str, Any]:
    names = [each._asdict() for each in pruned.names]
    return {
        "before": pruned.before,
        "pruned": sum(each.events for each in pruned.names),
        "left": pruned.left,
        "names": names,
    }


def _tell_pruned(pruned: PruneReport, dry_run: bool) -> None:
    gone = "would go" if dry_run else "pruned"
    if pruned.names:
        cells = [(each.event, each.events, each.users, ", ".join(each.needed_by)) for each in pruned.names]
        output.table(("event", gone, "users", "needed by"), cells, numbers=(gone, "users"))
    total = sum(each.events for each in pruned.names)
    click.echo(f"{total:,} events before {pruned.before} {gone}, {pruned.left:,} stay")


def _warn(pruned: PruneReport, dry_run: bool) -> None:
    """Print what is lost with the pruned events."""
    for each in pruned.names:
        if each.needed_by:
            options.notice(
                f"{each.event} is needed by {', '.join(each.needed_by)}: count() still works, but sum, first, events, "
                f"days and streak, and questions with where, {'would see' if dry_run else 'see'} only what is left; "
                "`brabeion replay` no longer reports their awards as stale"
            )
    for slug in pruned.unregistered:
        options.notice(f"{slug} has awards but is not registered: events that only it needs are not kept")
    if pruned.names:
        options.notice("the ids of pruned events are forgotten: if you send one again, it is recorded again")
