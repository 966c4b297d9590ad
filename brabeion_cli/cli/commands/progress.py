"""`progress`: how far a user is on the way to each badge."""

from __future__ import annotations

from typing import Any

import click

from brabeion_cli.cli import options, output
from brabeion_cli.domain import events
from brabeion_cli.domain.outcomes import failure_text
from brabeion_cli.queries import client

BAR = 20  # characters


@click.command("progress")
@click.option("--user", required=True, help="The user.")
@options.as_json
@options.everywhere
def progress_command(user: str, as_json: bool) -> int:
    """Show how far a user is from each badge that measures progress, the closest first.

    \b
        brabeion progress --user alice
    """
    config = options.resolve()
    found = client.ask_progress(config, events.text_or_number(user, "user"), options.now())
    for slug, failure in found.failures:
        options.complain(f"badge {slug} failed: {failure_text(failure)}")
    if as_json:
        click.echo(output.json_text(found.rows))
    elif found.rows:
        cells = [(row["badge"], row["level_name"], _count(row), _bar(row), _state(row)) for row in found.rows]
        output.table(("badge", "next", "progress", "", "share"), cells, numbers=("progress", "share"))
    elif not found.failures:
        options.notice("no badge measures progress")
    return 1 if found.failures else 0


def _count(row: dict[str, Any]) -> str:
    return f"{row['current']:,.10g} of {row['target']:,.10g}"


def _bar(row: dict[str, Any]) -> str:
    full = int(row["share"] * BAR)
    return "#" * full + "." * (BAR - full)


def _state(row: dict[str, Any]) -> str:
    return "held" if row["held"] else f"{int(row['share'] * 100)}%"
