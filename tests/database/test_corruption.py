"""`db verify` finds pages that a disk has damaged; tests/faults/corruption.py says how they are."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.faults import corruption
from tests.support.lengths import lengths
from tests.support.project import Project


@pytest.mark.parametrize("times", lengths(40, 140))
def test_verify_finds_damaged_pages(tmp_path: Path, times: int) -> None:
    figures = corruption.corrupt_and_verify(tmp_path, random.Random(20261122), times)

    assert corruption.rate(figures) >= (0.95 if times > 100 else 0.9), figures  # of few, chance says more
    for kind in ("random page", "zeros", "torn sector", "random span", "swapped pages"):
        assert figures[kind][corruption.FOUND] > 0
        assert figures[kind][corruption.MISSED] == 0, figures


def test_the_command_says_what_is_damaged_and_leaves_it_alone(project: Project) -> None:
    rng = random.Random(20261122)
    file = corruption.build(project.directory, rng, events=500)
    damaged = project.directory / "damaged.db"
    for kind in ("random page", "zeros", "swapped pages"):  # which are never harmless
        pages = b"".join(corruption.damage(corruption.KINDS[kind], rng, file))
        damaged.write_bytes(pages)

        result = project.run("db", "verify", "--db", damaged)

        assert result.status in (75, 78), (kind, result)
        assert str(damaged) in result.err
        assert "Traceback" not in result.err
        assert damaged.read_bytes() == pages
        assert [path.name for path in project.directory.glob("damaged.db*")] == ["damaged.db"]
