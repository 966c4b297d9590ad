"""`brabeion ingest`, from the outside."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import signal
import time
from functools import partial

import pytest

from brabeion_cli.ingest.client import IngestClient
from brabeion_cli.ingest.line_reader import Block
from brabeion_cli.ingest.messages import CommittedLines
from brabeion_cli.project.config import Config
from tests.support.event_lines import points_line
from tests.support.lengths import lengths
from tests.support.processes import wait_until
from tests.support.project import Project, badge_directory

COUNTS = {"lines": 0, "recorded": 0, "duplicates": 0, "rejected": 0, "awarded": 0, "queued": 0, "errors": 0}


def test_the_documented_counts(points_project: Project) -> None:
    points_project.simple_badge("return BadgeAwarded()", slug="later", events=["later"], async_=True)
    stream = (
        points_line(6000)
        + "\n"
        + points_line(1)
        + points_line(1)
        + "nonsense\n"
        + points_line(2, event="later")
        + points_line(3, state={})
    )

    result = points_project.run("ingest", "--json", stdin=stream)

    assert result.status == 1
    assert result.json == COUNTS | {
        "lines": 6, "recorded": 4, "duplicates": 1, "rejected": 1, "awarded": 1, "queued": 1, "errors": 1,
    }  # fmt: skip
    assert list(result.json) == list(COUNTS)
    assert "line 5: not JSON" in result.err
    assert "line 7: badge points failed: KeyError: 'points' (badge.py:10); queued for another try" in result.err


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("piped", [False, True])
def test_files_and_pipes_plain_and_zipped(points_project: Project, zipped: bool, piped: bool) -> None:
    data = "".join(map(points_line, range(3000))).encode().removesuffix(b"\n")
    data = gzip.compress(data) if zipped else data
    (points_project.directory / "events").write_bytes(data)

    result = points_project.ok("ingest", "--json", *(() if piped else ("events",)), stdin=data if piped else b"")

    assert result.json == COUNTS | {"lines": 3000, "recorded": 3000}


def test_rejects_overwrite_neither_the_input_nor_the_database(points_project: Project) -> None:
    path = points_project.write("events.ndjson", points_line(1))
    points_project.ok("ingest", path)

    assert points_project.run("ingest", path, "--rejects", "events.ndjson").status == 2
    assert points_project.run("ingest", path, "--rejects", "brabeion.db").status == 2
    with path.open("rb") as stdin:
        process = points_project.start("ingest", "--rejects", "events.ndjson", stdin=stdin)
        process.communicate()
    assert process.returncode == 2
    assert path.read_text() == points_line(1)
    assert "is sound" in points_project.ok("db", "verify").out


def test_a_run_that_fails_before_it_begins_keeps_the_old_rejects(points_project: Project) -> None:
    points_project.write("rejects", "precious")
    points_project.badge("1 / 0", "odd.py")

    assert points_project.run("ingest", "--rejects", "rejects", stdin=points_line(1)).status == 78
    assert (points_project.directory / "rejects").read_text() == "precious"


def test_an_input_that_does_not_block_is_awaited(points_project: Project) -> None:
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    process = points_project.start("ingest", "--json", stdin=reader)
    time.sleep(0.7)
    os.write(writer, points_line(1).encode())
    os.close(writer)
    os.close(reader)

    assert json.loads(process.communicate()[0])["recorded"] == 1


@pytest.mark.parametrize("bad", ["nonsense\n", points_line(5, state={})])
def test_stop_on_error_stops_there(points_project: Project, bad: str) -> None:
    result = points_project.run("ingest", "--stop-on-error", "--json", stdin=points_line(1) + bad + points_line(2))

    assert (result.status, result.json["lines"]) == (1, 2)
    assert ("u2",) not in points_project.sql('SELECT "user" FROM events')


def test_the_same_id_with_other_content_is_rejected(points_project: Project) -> None:
    result = points_project.run(
        "ingest", "--json", stdin=points_line(1) + points_line(1, user="other") + points_line(2)
    )

    assert (result.json["recorded"], result.json["rejected"]) == (2, 1)
    assert "line 2: id '1' is taken by an event with another user" in result.err


def test_events_nobody_listens_to_are_counted_on_stderr(points_project: Project) -> None:
    result = points_project.ok("ingest", stdin=points_line(1, event="unheard") * 1 + points_line(2, event="unheard"))

    assert "no badge listens to 'unheard' (2 recorded)" in result.err
    assert result.out == "2 lines: 2 recorded, 0 duplicates, 0 rejected; 0 awarded, 0 queued, 0 errors\n"


@pytest.mark.parametrize(("path", "message"), [("nowhere", "cannot read nowhere"), (".", "Is a directory")])
def test_an_input_that_cannot_be_read(points_project: Project, path: str, message: str) -> None:
    result = points_project.run("ingest", path)

    assert result.status == 2
    assert message in result.err


def test_a_damaged_archive_keeps_what_came_before(points_project: Project) -> None:
    whole = gzip.compress("".join(map(points_line, range(5000))).encode())
    (points_project.directory / "events.gz").write_bytes(whole[: len(whole) // 2])

    result = points_project.run("ingest", "events.gz", "--json")

    assert result.status == 1
    assert "cannot be read after line" in result.err
    assert 0 < result.json["recorded"] < 5000
    assert points_project.sql("SELECT count(*) FROM events") == [(result.json["recorded"],)]


@pytest.mark.parametrize("zipped", [False, True])
def test_lines_that_trickle_in_are_committed_as_they_come(points_project: Project, zipped: bool) -> None:
    process = points_project.start("ingest")
    assert process.stdin is not None
    for number in range(1, 4):
        data = points_line(number).encode()
        process.stdin.write(gzip.compress(data) if zipped else data)
        process.stdin.flush()
        wait_until(partial(_is_recorded, points_project, number))  # while the next line is awaited
    process.communicate()
    assert process.returncode == 0


def _is_recorded(project: Project, number: int) -> bool:
    if not project.db.exists():
        return False
    tables = project.sql("SELECT count(*) FROM sqlite_master WHERE name = 'events'")[0][0]
    return bool(tables) and (str(number),) in project.sql("SELECT id FROM events")


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_interrupted_it_says_what_is_recorded(points_project: Project, number: int, status: int) -> None:
    process = points_project.start("ingest", "--json")
    assert process.stdin is not None
    process.stdin.write(points_line(1).encode())
    process.stdin.flush()
    wait_until(partial(_is_recorded, points_project, 1))
    process.send_signal(number)
    out, err = process.communicate(timeout=20)

    assert process.returncode == status
    assert json.loads(out)["recorded"] == 1
    assert b"Traceback" not in err


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_what_was_done_and_not_yet_told_is_told_at_the_end(points_project: Project) -> None:
    block = Block(1, "".join(points_line(number) for number in range(5000)).encode())
    config = Config(str(points_project.db), (badge_directory(points_project.directory / "badges"),), None, {})

    with contextlib.closing(IngestClient(config)) as intake:
        told = [next(intake.ingest([block]))]
        counts = [0]
        while len(counts) < 4 or counts[-1] > counts[-4]:  # it goes on for a while, and nobody listens
            time.sleep(0.1)
            counts.append(points_project.sql("SELECT count(*) FROM events")[0][0])
        told += intake.pending_answers()
    ((recorded,),) = points_project.sql("SELECT count(*) FROM events")

    assert sum(each.counts["recorded"] for each in told if isinstance(each, CommittedLines)) == recorded
    assert len(told) > 2


@pytest.mark.parametrize("delays", lengths((0.3, 0.5), (0.25, 0.35, 0.45, 0.55, 0.65)))
def test_killed_and_started_again_it_ends_as_if_never_killed(
    points_project: Project, delays: tuple[float, ...]
) -> None:
    points_project.simple_badge("return BadgeAwarded(key=state['points'] % 7)", slug="seven", events=["points_awarded"])
    stream = points_project.write(
        "events.ndjson", "".join(points_line(n, at="2026-01-01", state={"points": n * 7}) for n in range(3000))
    )
    whole = Project(points_project.write("whole/x", "").parent)
    for path in (points_project.directory / "badges").glob("*.py"):
        whole.badge(path.read_text(), path.name)
    whole.ok("ingest", stream)

    for delay in delays:
        process = points_project.start("ingest", stream)
        time.sleep(delay)
        process.kill()
        process.communicate()
    points_project.ok("ingest", stream)

    for query in ("SELECT * FROM events", "SELECT * FROM awards", "SELECT * FROM tasks"):
        assert points_project.sql(query) == whole.sql(query)


def test_a_line_longer_than_can_be_held_is_refused_and_the_stream_goes_on(points_project: Project) -> None:
    data = points_line(1).encode() + b"x" * 70_000_000 + b"\n" + b"[" * 9_000_000 + b"\n" + points_line(2).encode()

    result = points_project.run("ingest", "--json", "--rejects", "rejects", stdin=data)

    assert (result.json["recorded"], result.json["rejected"]) == (2, 2)
    assert "line 2: the line is longer than 64 MiB" in result.err
    assert "line 3: the line has 9,000,000 bytes; at most 8,454,144 are read" in result.err
    assert (points_project.directory / "rejects").stat().st_size == 64 * 1024 * 1024 + 1 + 9_000_001


def test_a_single_writer_gets_its_turn_beside_a_long_stream(points_project: Project) -> None:
    stream = points_project.write("events.ndjson", "".join(map(points_line, range(8000))))
    process = points_project.start("ingest", stream)
    wait_until(points_project.db.exists)
    statuses = [points_project.fire("points_awarded", {"points": 1}).status for _ in range(5)]
    process.communicate()

    assert statuses == [0] * 5
    assert points_project.sql("SELECT count(*) FROM events") == [(8005,)]
