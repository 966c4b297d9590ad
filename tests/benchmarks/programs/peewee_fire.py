"""What `fire` is measured against: a command that makes the same two inserts by peewee, and no more."""

import json
import sqlite3  # noqa: F401  # peewee needs it anyway
from datetime import datetime, timezone

import click
import peewee

from brabeion_cli.database.models import MODELS, AwardRow, EventRow


@click.command()
@click.argument("db")
@click.argument("event")
@click.option("--user", required=True)
@click.option("--state", required=True)
def main(db: str, event: str, user: str, state: str) -> None:
    pragmas = {"journal_mode": "wal", "synchronous": "FULL", "foreign_keys": 1}
    database = peewee.SqliteDatabase(db, pragmas=pragmas)
    database.bind(MODELS, bind_refs=False, bind_backrefs=False)
    at = datetime.now(timezone.utc).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
    points = json.loads(state)["points"]
    with database.atomic("IMMEDIATE"):
        made = EventRow.create(name=event, user=user, at=at, state=state, tally=1, late=0)
        level = 3 if points > 10000 else 2 if points > 7500 else 1
        AwardRow.create(user=user, badge="points", level=level, awarded_at=at, event=made, position=1)
    click.echo(f"{user} earned points: {level}")


main()
