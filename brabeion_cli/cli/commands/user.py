"""`user`: forget or rename a user."""

from __future__ import annotations

import click

from brabeion_cli.cli import options, output
from brabeion_cli.store import users
from brabeion_cli.store.store import open_store
from brabeion_cli.store.users import UserTraces

dry_run_option = click.option("--dry-run", is_flag=True, help="Show what would change; write nothing.")


@click.group("user")
@options.everywhere
def user_command() -> None:
    """Forget or rename a user.

    \b
        brabeion user rename alice alicia
    """


@user_command.command("forget")
@click.argument("user")
@dry_run_option
@options.as_json
@options.everywhere
def forget_command(user: str, dry_run: bool, as_json: bool) -> int:
    """Delete a user's events, awards and tasks, down to the last byte.

    \b
        brabeion user forget alice
    """
    with open_store(options.resolve().db) as store:
        traces = users.forget(store, user, now=options.now(), dry_run=dry_run)
        obstacle = None if dry_run else users.erase(store)
    counts = traces._asdict()
    if as_json:
        end = {"dry_run": True} if dry_run else {"erased": obstacle is None}
        click.echo(output.json_text({"user": user, **counts} | end))
    else:
        options.say(f"{'would forget' if dry_run else 'forgot'} {user}: {_counted(traces)}")
    if traces.left_to_others:
        options.notice(
            f"{traces.left_to_others:,} awards of other users stay, although they were earned by events of {user}"
        )
    _tell_mentions(user, traces, f"a replay may award {user} for them")
    if not dry_run:
        options.notice("backups and ingested files are not changed")
    if obstacle is not None:
        options.complain(f"{obstacle}. The user is deleted, but the file may still hold the bytes: see docs/store.md")
    return 0 if obstacle is None else 1


@user_command.command("rename")
@click.argument("user")
@click.argument("name")
@dry_run_option
@options.as_json
@options.everywhere
def rename_command(user: str, name: str, dry_run: bool, as_json: bool) -> None:
    """Rename a user, with all events, awards and tasks. The new name must not be in use.

    \b
        brabeion user rename alice alicia
    """
    with open_store(options.resolve().db) as store:
        traces = users.rename(store, user, name, now=options.now(), dry_run=dry_run)
    if as_json:
        counts = {key: value for key, value in traces._asdict().items() if key != "left_to_others"}
        click.echo(output.json_text({"user": user, "name": name, **counts} | ({"dry_run": True} if dry_run else {})))
    else:
        options.say(f"{'would rename' if dry_run else 'renamed'} {user} to {name}: {_counted(traces)}")
    _tell_mentions(user, traces, f"a replay may award {user} for them, not {name}")


def _counted(traces: UserTraces) -> str:
    return f"{traces.events:,} events, {traces.awards:,} awards, {traces.tasks:,} tasks"


def _tell_mentions(user: str, traces: UserTraces, then: str) -> None:
    if traces.mentions:
        options.notice(
            f"{traces.mentions:,} events that stay name {user} in their state, and states are not changed; {then}"
        )
