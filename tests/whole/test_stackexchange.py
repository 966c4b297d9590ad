"""The Stack Exchange badges: every rule on a small stream written by hand, and two whole sites where their data is.

`data/stackexchange.ndjson` has one event a line, with what it `earns`: the slug, the key where there is one, and for
the per-tag badge the level.

`badges/stackexchange_history` asks the journal for what `badges/stackexchange` is told: on whole sites it must earn the
same, live and when it is replayed.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from brabeion_cli.project import loader
from tests.support.project import Project, badge_directory

ROOT = Path(__file__).parents[2]
BADGES = ROOT / "badges" / "stackexchange"
BADGES_THAT_ASK = ROOT / "badges" / "stackexchange_history"
SITES = ROOT.parent / "shared" / "stackexchange"
TAG_LEVELS = ("bronze", "silver", "gold")


def awards_after(
    project: Project, *command: object, badges: Path = BADGES, db: str = "brabeion.db", stdin: str = ""
) -> list[dict[str, Any]]:
    """Run the command with the badges; the awards."""
    project.ok("--badges", badges, "--db", db, *command, stdin=stdin)
    rows: list[dict[str, Any]] = project.ok("--badges", badges, "--db", db, "list", "--json").json
    return rows


def test_every_rule_on_a_stream_written_by_hand(project: Project) -> None:
    text = (Path(__file__).parents[1] / "data" / "stackexchange.ndjson").read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    expected = {(line["id"], earned) for line in lines for earned in line.pop("earns")}

    awards = awards_after(project, "ingest", stdin="\n".join(map(json.dumps, lines)))

    found = set()
    for award in awards:
        parts = [award["badge"], award["key"], str(award["level"]) if award["badge"] == "tag" else None]
        found.add((award["event"]["id"], " ".join(part for part in parts if part)))
    assert found == expected
    assert {award["badge"] for award in awards} == set(loader.load([badge_directory(BADGES)]).slugs)


def test_badges_that_ask_say_about_which_events() -> None:
    registry = loader.load([badge_directory(BADGES_THAT_ASK)])
    text = (Path(__file__).parents[1] / "data" / "stackexchange.ndjson").read_text()
    source = "".join(path.read_text() for path in BADGES_THAT_ASK.glob("*.py"))

    for name in {json.loads(line)["event"] for line in text.splitlines()}:
        assert bool(registry.needing(name)) == (f'"{name}"' in source), name


@pytest.mark.parametrize(
    ("site", "live"), [("conlang-meta", True), pytest.param("french-meta", False, marks=pytest.mark.long)]
)
@pytest.mark.skipif(
    not SITES.is_dir(), reason=f"no data of whole sites in {SITES.parent.name}/stackexchange beside the project"
)
def test_a_whole_site_gets_exactly_the_expected_awards(project: Project, site: str, live: bool) -> None:
    with gzip.open(SITES / site / "expected.ndjson.gz", "rt") as file:
        wanted = [json.loads(line) for line in file]
    expected = sorted((line["user"], _slug(line["badge"]), line["event"]) for line in wanted)

    stream = SITES / site / "events.ndjson.gz"
    awards = awards_after(project, "ingest", stream)

    assert sorted((award["user"], _name(award), award["event"]["id"]) for award in awards) == expected
    user = wanted[0]["user"]
    shown = project.ok("--badges", BADGES, "list", "--user", user).out.splitlines()
    assert len(shown) == 1 + sum(line["user"] == user for line in wanted)

    if live:
        asking = awards_after(project, "ingest", stream, badges=BADGES_THAT_ASK, db="live.db")
    else:
        project.sql("DELETE FROM awards")
        asking = awards_after(project, "replay", badges=BADGES_THAT_ASK)
    slugs = loader.load([badge_directory(BADGES_THAT_ASK)]).slugs
    assert _in_full(asking) == _in_full(award for award in awards if award["badge"] in slugs)


def _slug(badge: str) -> str:
    return badge if badge.startswith("tag:") else re.sub("[^a-z0-9]+", "-", badge.lower())


def _name(award: dict[str, Any]) -> str:
    if award["badge"] == "tag":
        return f"tag:{award['key']}:{TAG_LEVELS[award['level'] - 1]}"
    return str(award["badge"])


def _in_full(awards: Iterable[dict[str, Any]]) -> list[str]:
    """User, badge, level, key, moment, event: all that there is to an award."""
    return sorted(json.dumps(award) for award in awards)
