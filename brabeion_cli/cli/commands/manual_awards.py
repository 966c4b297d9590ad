"""`award` and `revoke`: give and revoke awards by hand."""

from __future__ import annotations

import click

from brabeion_cli.cli import options, output
from brabeion_cli.cli.commands.fire import outcome_line
from brabeion_cli.engine import manual_awards
from brabeion_cli.runtime.badge_process import BadgeProcess, catalogue_of
from brabeion_cli.store.store import open_store


@click.command("award")
@click.option("--user", required=True, help="The user who gets it.")
@click.option("--badge", required=True, help="The badge's slug.")
@click.option("--level", help="The level: a number from 1, or a name; needed if the badge has several.")
@click.option("--key", help="The key, for a badge that awards once per key.")
@click.option("--reason", required=True, help="Why; stays on record.")
@click.option("--by", help="Who gives it. Default: you.")
@options.as_json
@options.everywhere
def award_command(
    user: str, badge: str, level: str | None, key: str | None, reason: str, by: str | None, as_json: bool
) -> None:
    """Give an award by hand.

    \b
        brabeion award --user alice --badge points --level Gold --reason "won the quiz"
    """
    config = options.resolve()
    with BadgeProcess(config) as badges:
        found = manual_awards.registered(badges.loaded.catalogue, badge)
        number = manual_awards.level_number(found, level)
        with open_store(config.db) as store:
            outcomes, awards = manual_awards.give(
                store, found, user, number, key, by=by or options.caller(), reason=reason, now=options.now()
            )
        for failure in badges.notify(awards):
            options.notice(failure)
    if as_json:
        click.echo(output.json_text({"results": [outcome.as_json() for outcome in outcomes]}))
        return
    for outcome in outcomes:
        options.say(str(outcome_line(outcome)).replace(" earned ", " was given ", 1))


@click.command("revoke")
@click.option("--user", required=True, help="The user.")
@click.option("--badge", required=True, help="The badge's slug.")
@click.option("--level", help="Only that level: a number from 1, or a name.")
@click.option("--key", help="Only the award with that key.")
@click.option("--reason", required=True, help="Why; stays on record.")
@click.option("--by", help="Who revokes it. Default: you.")
@options.as_json
@options.everywhere
def revoke_command(
    user: str, badge: str, level: str | None, key: str | None, reason: str, by: str | None, as_json: bool
) -> None:
    """Take awards back. They stay on record, and are not awarded again.

    \b
        brabeion revoke --user alice --badge points --level 3 --reason "the quiz was void"
    """
    config = options.resolve()
    number = None if level is None else manual_awards.number_of(level)
    if level is not None and number is None:
        number = manual_awards.level_number(manual_awards.registered(catalogue_of(config), badge), level)
    with open_store(config.db) as store:
        revoked = manual_awards.revoke(
            store, user, badge, number, key, by=by or options.caller(), reason=reason, now=options.now()
        )
    if as_json:
        rows = [
            {"user": award.user, "badge": award.slug, "level": award.level, "key": award.key or None}
            for award in revoked
        ]
        click.echo(output.json_text({"revoked": rows}))
    elif not revoked:
        options.say(f"{badge} of {user} was revoked before; nothing happened")
    for award in () if as_json else revoked:
        options.say(
            f"revoked {award.slug} of {award.user}, level {award.level}" + (f" [{award.key}]" if award.key else "")
        )
