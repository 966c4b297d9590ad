"""`db`: the store itself."""

from __future__ import annotations

import os

import click

from brabeion_cli import maintenance, render
from brabeion_cli.cli import options
from brabeion_cli.errors import TRY_AGAIN
from brabeion_cli.migrations import SCHEMA_VERSION
from brabeion_cli.store import open_store


@click.group("db")
@options.everywhere
def db_command() -> None:
    """Migrate, copy and check the database.

    \b
        brabeion db backup /backups/badges.db
    """


@db_command.command("migrate")
@options.as_json
@options.everywhere
def migrate_command(as_json: bool) -> None:
    """Bring an older database up to date. Every other command does so too when it opens one.

    \b
        brabeion db migrate
    """
    config = options.resolve()
    with open_store(config.db) as store:
        before = store.migrated_from
    if as_json:
        click.echo(render.json_text({"from": SCHEMA_VERSION if before is None else before, "to": SCHEMA_VERSION}))
    elif before is None:
        options.say(f"{config.db} has schema version {SCHEMA_VERSION} already")
    else:
        options.say(f"migrated {config.db} from schema version {before} to {SCHEMA_VERSION}")


@db_command.command("backup")
@click.argument("file", type=options.PATH)
@click.option("--overwrite", is_flag=True, help="Replace FILE where it is there.")
@options.as_json
@options.everywhere
def backup_command(file: str, overwrite: bool, as_json: bool) -> None:
    """Copy the database to FILE, complete and as of one moment, while others go on writing.

    \b
        brabeion db backup badges-monday.db
    """
    with open_store(options.resolve().db) as store:
        size = maintenance.backup(store, file, overwrite=overwrite)
    if as_json:
        click.echo(render.json_text({"file": os.path.abspath(file), "bytes": size}))
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
        problems = list(maintenance.problems(store))
    if as_json:
        click.echo(render.json_text({"ok": not problems, "problems": problems}))
    elif not problems:
        options.say(f"{config.db} is sound")
    for problem in () if as_json else problems:
        options.complain(f"{config.db}: {problem}")
    return TRY_AGAIN if problems else 0
