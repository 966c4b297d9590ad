"""`init` and `check`: create and check a project."""

from __future__ import annotations

import os

import click

from brabeion_cli.cli import options, output
from brabeion_cli.project import scaffold
from brabeion_cli.queries import check


@click.command("init")
@click.argument("directory", type=options.PATH, default=".", metavar="[DIR]")
@options.as_json
@options.everywhere
def init_command(directory: str, as_json: bool) -> None:
    """Write a brabeion.toml and a first badge into DIR. Never overwrites a file.

    \b
        brabeion init my-site
    """
    written, kept = scaffold.write(directory)
    if as_json:
        click.echo(output.json_text({"written": written, "kept": kept}))
        return
    for path in written:
        options.say(f"wrote {path}")
    for path in kept:
        options.say(f"kept {path}, which exists already")
    there = "" if os.path.abspath(directory) == os.getcwd() else f"cd {directory} && "
    options.say(f"next: {there}brabeion fire points_awarded --user alice --state '{{\"points\": 8000}}'")


@click.command("check")
@options.as_json
@options.everywhere
def check_command(as_json: bool) -> int:
    """Check the configuration, the badges and the database, and report everything that is wrong.

    \b
        brabeion check
    """
    result = check.check(options.resolve(), options.now())
    if as_json:
        click.echo(output.json_text(result.as_json()))
        return result.exit_status
    output.table(("setting", "value", "from"), result.settings)
    for warning in result.warnings:
        options.notice(f"Warning: {warning}")
    for problem in result.problems:
        options.complain_of(problem)
    if not result.problems:
        options.say(f"all is well: {result.badges} badges, schema version {result.schema}")
    return result.exit_status
