"""A disk that is full: each command that writes says so with status 75, loses nothing, and works once there is room."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.badge_texts import POINTS
from tests.support.disks import fill_disk
from tests.support.older_databases import older_database
from tests.support.project import Project, Result

ROOT = Path(__file__).parents[2]
ROOM = "8m"  # of the small disk


class Write(NamedTuple):
    """A command that writes, and a query whose answer changes by it."""

    command: str
    query: str
    stdin: str = ""


BIG = json.dumps({"points": 8000, "x": "y" * 300_000})
EVENT = f'{{"event": "points_awarded", "user": "z", "state": {BIG}}}\n'
WRITES = {
    "fire": Write("fire points_awarded --user z --state -", "SELECT count(*) FROM events", BIG),
    "ingest": Write("ingest", "SELECT count(*) FROM events", EVENT),
    "process-queue": Write("process-queue", "SELECT count(*) FROM tasks"),
    "replay": Write("replay --badges more", "SELECT count(*) FROM awards"),
    "award": Write("award --user z --badge points --level 1 --reason x", "SELECT count(*) FROM awards"),
    "revoke": Write("revoke --user u0 --badge points --reason x", "SELECT count(revoked_at) FROM awards"),
    "queue retry": Write("queue retry 1", "SELECT due_at FROM tasks WHERE number = 1"),
    "queue drop": Write("queue drop 1", "SELECT count(*) FROM tasks"),
    "db prune": Write("db prune --before 2026-01-02", "SELECT count(*) FROM events"),
    "user forget": Write("user forget u1", "SELECT count(*) FROM events"),
    "user rename": Write("user rename u1 v1", "SELECT count(*) FROM events WHERE \"user\" = 'v1'"),
    "db migrate": Write("db migrate --db old.db", "PRAGMA user_version"),
}


@pytest.fixture
def small_disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Project]:
    """A small_disk with something to do for every command; on a small disk, where one can be mounted."""
    small = tmp_path / "small"
    small.mkdir()
    disk = request.node.callspec.params["way"] == "disk" and _mount(small)
    try:
        project = Project(small)
        project.badge(POINTS, "points.py")
        project.simple_badge("return BadgeAwarded()", slug="later", events=["points_awarded"], async_=True)
        project.simple_badge("return BadgeAwarded()", slug="more", events=["points_awarded"], multiple=True)
        shutil.move(small / "badges/more.py", project.write("more/more.py", ""))
        line = '{{"event": "{}", "user": "u{}", "at": "2026-01-01T00:00:0{}Z", "state": {{"points": 8000}}}}\n'
        lines = [line.format("points_awarded", n, n) for n in range(5)] + [
            line.format("visited", 1, n) for n in range(5)
        ]
        project.ok("ingest", stdin="".join(lines))
        older_database(small / "old.db", 100)
        yield project
    finally:
        if disk:
            subprocess.run(["umount", "--lazy", small], check=True)


def _mount(folder: Path) -> bool:
    command = ["mount", "-t", "tmpfs", "-o", f"size={ROOM}", "tmpfs", folder]
    return (
        shutil.which("mount") is not None and not subprocess.run(command, capture_output=True, check=False).returncode
    )


@pytest.mark.parametrize(
    ("way", "name"), [*(("disk", name) for name in WRITES), ("limit", "fire"), ("limit", "ingest")]
)
def test_a_full_disk_is_said_and_loses_nothing(small_disk: Project, way: str, name: str) -> None:
    write = WRITES[name]
    if name == "db migrate":
        small_disk.db = small_disk.directory / "old.db"
    before = small_disk.sql(write.query)

    result = _without_room(small_disk, write)

    assert result.status == 75, result
    assert "database or disk is full. Make room, then try again" in result.err
    assert "Traceback" not in result.err
    assert small_disk.sql(write.query) == before
    small_disk.sql("UPDATE tasks SET due_at = '2000-01-01T00:00:00.000000Z' WHERE token IS NOT NULL")
    small_disk.ok(*write.command.split(), stdin=write.stdin)
    assert small_disk.sql(write.query) != before


@pytest.mark.parametrize("way", ["disk"])
def test_a_copy_that_has_no_room_is_not_there(small_disk: Project, way: str) -> None:
    result = _without_room(small_disk, Write("db backup copy.db", ""))

    assert result.status == 75, result
    assert "disk is full" in result.err
    assert not list(small_disk.directory.glob("copy.db*"))
    small_disk.ok("db", "backup", "copy.db")


@pytest.mark.parametrize("way", ["limit"])
def test_what_a_stream_has_acknowledged_before_the_disk_is_full_is_there(small_disk: Project, way: str) -> None:
    lines = "".join(EVENT.replace('"state"', f'"id": {n}, "state"') for n in range(40))

    result = _without_room(small_disk, Write("ingest --json", "", lines), most=5_000_000)

    assert result.status == 75, result
    assert 0 < result.json["recorded"] < 40
    assert small_disk.sql("SELECT count(*) FROM events WHERE id IS NOT NULL") == [(result.json["recorded"],)]
    assert small_disk.ok("ingest", "--json", stdin=lines).json["duplicates"] == result.json["recorded"]


@pytest.mark.parametrize("way", ["disk"])
def test_a_worker_that_finds_the_disk_full_keeps_its_task(small_disk: Project, way: str) -> None:
    small_disk.simple_badge(
        "from tests.support.disks import fill_disk\nfill_disk('filler')\nreturn BadgeAwarded()",
        slug="later", events=["points_awarded"], async_=True,
    )  # fmt: skip
    tasks = small_disk.sql("SELECT count(*) FROM tasks")

    result = small_disk.run("process-queue", env={"PYTHONPATH": str(ROOT)})

    assert result.status == 75, result
    assert "disk is full" in result.err
    (small_disk.directory / "filler").unlink()
    assert small_disk.sql("SELECT count(*) FROM tasks") == tasks


def _without_room(project: Project, write: Write, most: int = 4000) -> Result:
    """Runs the command while the disk is full; where none could be mounted, while no file may outgrow `most` bytes."""
    limited = not os.path.ismount(project.directory)
    filler = project.directory / "filler"
    if not limited:
        fill_disk(filler)
    done = subprocess.run(
        project.command(*write.command.split()), cwd=project.directory, input=write.stdin,
        preexec_fn=(lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))) if limited else None,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    filler.unlink(missing_ok=True)
    return Result(done.returncode, done.stdout, done.stderr)
