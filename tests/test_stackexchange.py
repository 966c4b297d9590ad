"""The Stack Exchange badges: every rule on a small stream written by hand, and two whole sites where their data is.

`data/stackexchange.ndjson` has one event a line, with what it `earns`: the slug, the key where there is one, and for
the per-tag badge the level.
"""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path
from typing import Any

import pytest

from brabeion_cli import loader
from tests.conftest import Project, directory

ROOT = Path(__file__).parents[1]
BADGES = ROOT / "badges" / "stackexchange"
SITES = ROOT.parent / "shared" / "stackexchange"
TAG_LEVELS = ("bronze", "silver", "gold")


def ingest(project: Project, stream: str | bytes | Path) -> list[dict[str, Any]]:
    """Ingest a stream with the badges; the awards."""
    if isinstance(stream, Path):
        project.ok("--badges", BADGES, "ingest", stream)
    else:
        project.ok("--badges", BADGES, "ingest", stdin=stream)
    rows: list[dict[str, Any]] = project.ok("--badges", BADGES, "list", "--json").json
    return rows


def test_every_rule_on_a_stream_written_by_hand(project: Project) -> None:
    text = (Path(__file__).parent / "data" / "stackexchange.ndjson").read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    expected = {(line["id"], earned) for line in lines for earned in line.pop("earns")}

    awards = ingest(project, "\n".join(map(json.dumps, lines)))

    found = set()
    for award in awards:
        parts = [award["badge"], award["key"], str(award["level"]) if award["badge"] == "tag" else None]
        found.add((award["event"]["id"], " ".join(part for part in parts if part)))
    assert found == expected
    assert {award["badge"] for award in awards} == set(loader.load([directory(BADGES)]).slugs)


@pytest.mark.parametrize("site", ["conlang-meta", "french-meta"])
@pytest.mark.skipif(
    not SITES.is_dir(), reason=f"no data of whole sites in {SITES.parent.name}/stackexchange beside the project"
)
def test_a_whole_site_gets_exactly_the_expected_awards(project: Project, site: str) -> None:
    with gzip.open(SITES / site / "expected.ndjson.gz", "rt") as file:
        wanted = [json.loads(line) for line in file]
    expected = sorted((line["user"], _slug(line["badge"]), line["event"]) for line in wanted)

    awards = ingest(project, SITES / site / "events.ndjson.gz")

    assert sorted((award["user"], _name(award), award["event"]["id"]) for award in awards) == expected
    user = wanted[0]["user"]
    shown = project.ok("--badges", BADGES, "list", "--user", user).out.splitlines()
    assert len(shown) == 1 + sum(line["user"] == user for line in wanted)


def _slug(badge: str) -> str:
    return badge if badge.startswith("tag:") else re.sub("[^a-z0-9]+", "-", badge.lower())


def _name(award: dict[str, Any]) -> str:
    if award["badge"] == "tag":
        return f"tag:{award['key']}:{TAG_LEVELS[award['level'] - 1]}"
    return str(award["badge"])
