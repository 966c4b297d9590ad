"""`list`, `badges` and `leaderboard`: who has which awards, which badges there are, who leads."""

from __future__ import annotations

import os
import sys
from typing import Any

import click

from brabeion_cli.cli import options, output
from brabeion_cli.domain.catalogue import Catalogue
from brabeion_cli.project import config
from brabeion_cli.project.config import Config
from brabeion_cli.runtime.badge_process import catalogue_of
from brabeion_cli.store import reports
from brabeion_cli.store.store import open_store

FORMATS = ("table", "json", "ndjson", "csv")


@click.command("list")
@click.option("--user", help="Only that user's awards.")
@click.option("--badge", help="Only awards of that badge.")
@click.option("--level", help="Only that level: a number from 1, or a name.")
@click.option("--since", metavar="TIME", help="Only awards at or after that time.")
@click.option("--until", metavar="TIME", help="Only awards before that time.")
@click.option("--limit", type=options.COUNT, metavar="N", help="At most N awards.")
@click.option("--highest", is_flag=True, help="Only the highest level of each badge that a user holds.")
@click.option("--format", "form", type=click.Choice(FORMATS), help="The output format (table).")
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@options.everywhere
def list_command(form: str | None, as_json: bool, **chosen: Any) -> None:
    """Show awards, newest first.

    \b
        brabeion list --user alice
    """
    if as_json and form not in (None, "json"):
        raise click.UsageError(f"--json and --format {form} contradict each other")
    settings = options.resolve()
    catalogue = _catalogue_of(settings)
    with open_store(settings.db) as store:
        rows = reports.awards(store, catalogue, reports.Filter(**chosen))
        form = "json" if as_json else form
        if form == "json":
            click.echo(output.json_text([_json_row(row) for row in rows]))
        elif form == "ndjson":
            for line in output.json_lines(map(_json_row, rows)):
                click.echo(line)
        elif form == "csv":
            drawn = sys.stdout.isatty()
            if not drawn and hasattr(sys.stdout, "reconfigure"):
                sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")  # data is UTF-8 in any locale
            for line in output.csv_lines(CSV_COLUMNS, map(_csv_row, rows)):
                print(output.visible(line) if drawn else line)  # click.echo() would drop escapes from the data
        else:
            _table([*rows])


def _catalogue_of(settings: Config) -> Catalogue:
    """The badges, for their names. The default directory may be missing: awards can be listed without it."""
    directories = tuple(
        directory
        for directory in settings.badges
        if directory.origin != config.BY_DEFAULT or os.path.isdir(directory.path)
    )
    return catalogue_of(settings._replace(badges=directories))


def _json_row(row: dict[str, Any]) -> dict[str, Any]:
    by_hand = ("given_by", "reason")
    return {name: value for name, value in row.items() if name not in by_hand or row["event"] is None}


CSV_COLUMNS = (
    "user", "badge", "level", "level_name", "description", "key", "awarded_at",
    "event_name", "event_id", "event_at", "given_by", "reason",
)  # fmt: skip


def _csv_row(row: dict[str, Any]) -> dict[str, Any]:
    event = row["event"] or {}
    return {**row, "event_name": event.get("name"), "event_id": event.get("id"), "event_at": event.get("at")}


def _table(rows: list[dict[str, Any]]) -> None:
    if not rows:
        options.notice("no awards")
        return
    cells = [
        (
            row["user"],
            row["badge"],
            row["level"],
            row["level_name"],
            row["key"],
            _short(row["awarded_at"]),
            _origin(row),
        )
        for row in rows
    ]
    output.table(("user", "badge", "level", "name", "key", "awarded at", "for"), cells, numbers=("level",))


def _origin(row: dict[str, Any]) -> str:
    event = row["event"]
    if event is None:
        return f"by {row['given_by']}: {row['reason']}"
    return str(event["name"]) + (f" {event['id']}" if event["id"] is not None else "")


def _short(moment: str) -> str:
    """A moment to the second, for people."""
    return moment[:19].replace("T", " ")


@click.command("badges")
@options.as_json
@options.everywhere
def badges_command(as_json: bool) -> None:
    """Show every badge and level, with its holders and their share of all users.

    \b
        brabeion badges
    """
    settings = options.resolve()
    catalogue = catalogue_of(settings)
    with open_store(settings.db) as store:
        rows = reports.holders(store, catalogue)
    if as_json:
        click.echo(output.json_text(rows))
        return
    shown = ("badge", "level", "level_name", "holders")
    cells = [
        (*(row[name] for name in shown), f"{row['share']:.1%}", ", ".join(row["events"]), row["description"])
        for row in rows
    ]
    columns = ("badge", "level", "name", "holders", "share", "events", "description")
    if cells:
        output.table(columns, cells, numbers=("level", "holders", "share"))
    else:
        options.notice("no badges")


@click.command("leaderboard")
@click.option("--badge", help="Count only awards of that badge.")
@click.option("--since", metavar="TIME", help="Count only awards at or after that time.")
@click.option("--until", metavar="TIME", help="Count only awards before that time.")
@click.option("--limit", type=options.COUNT, default=10, metavar="N", help="Show N users (10).")
@options.as_json
@options.everywhere
def leaderboard_command(badge: str | None, since: str | None, until: str | None, limit: int, as_json: bool) -> None:
    """Show who has the most awards.

    \b
        brabeion leaderboard --since 2026-01-01
    """
    with open_store(options.resolve().db) as store:
        rows = reports.leaders(store, badge=badge, since=since, until=until, limit=limit)
    if as_json:
        click.echo(output.json_text(rows))
        return
    columns = ("rank", "user", "awards", "badges")
    cells = [(*(row[name] for name in columns), _short(row["last_awarded_at"])) for row in rows]
    if cells:
        output.table((*columns, "last award"), cells, numbers=("rank", "awards", "badges"))
    else:
        options.notice("no awards")
