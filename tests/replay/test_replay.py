"""`replay`: what it awards, what it calls stale, what it leaves alone."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import strategies as st

from brabeion_cli.base import Badge, BadgeAwarded, CountBadge, StreakBadge, SumBadge
from brabeion_cli.domain import events
from brabeion_cli.engine.event_processor import EventProcessor
from brabeion_cli.engine.session import Session
from brabeion_cli.project.registry import Registry
from brabeion_cli.replay.messages import Checkpoint, ReplayReport, ReplayRequest
from brabeion_cli.replay.walk import Replay
from brabeion_cli.sandbox.guard import Guard
from brabeion_cli.store.event_range import EventRange
from brabeion_cli.store.store import Store, open_store
from tests.support.lengths import holds_for, lengths
from tests.support.moments import NOW
from tests.support.project import Project

START = datetime(2026, 3, 27, tzinfo=timezone.utc)


def registry_of(*, reversed_order: bool) -> Registry:
    """Badges that ask the journal everything that could give another answer later."""

    class Third(CountBadge):
        slug, levels, events, thresholds = "third", ["Three", "Five"], ["a", "b"], [3, 5]

    class Days(StreakBadge):
        slug, levels, events, thresholds, tz = "days", ["Two", "Three"], ["a"], [2, 3], "Europe/Berlin"

    class Points(SumBadge):
        slug, levels, events, thresholds, field = "points", ["Six"], ["b"], [6], "n"

    class Probe(Badge):
        """Its key is all that it sees."""

        slug, levels, events = "probe", ["One"], ["a", "b", "badge_awarded"]

        def award(self, **state: Any) -> BadgeAwarded | None:
            history = state["history"]
            if history.event.name == "badge_awarded" and state["badge"] == "probe":
                return None
            seen = (history.count("a"), history.count("b", n=1), history.count("badge_awarded", badge="third"))
            return BadgeAwarded(key=f"{seen} {history.has('third')} {history.has('days', 2)} {history.has('probe')}")

    class OncePerEvent(Badge):
        slug, levels, events, multiple = "medal", ["One"], ["b"], True

        def award(self, **state: Any) -> BadgeAwarded | None:
            return BadgeAwarded(user="bob") if state["history"].last("a") else None

    class Collector(CountBadge):
        slug, levels, events, thresholds, cumulative = "collector", ["Two", "Six"], ["badge_awarded"], [2, 6], True

    registry = Registry()
    badges = [Third, Days, Points, Probe, OncePerEvent, Collector]
    for badge in reversed(badges) if reversed_order else badges:
        registry.register(badge)
    return registry


def record(registry: Registry, store: Store, stream: list[Any]) -> None:
    for name, hours, user, n in stream:
        made = events.make(name, {"n": n}, user=user, at=START + timedelta(hours=hours), now=NOW, max_bytes=1000)
        with Guard(5) as guard, store.transaction():
            EventProcessor(Session(registry, store, guard)).record(made, NOW)


def replayed(registry: Registry, store: Store, **options: Any) -> ReplayReport:
    with Guard(5) as guard:
        request = ReplayRequest(options.pop("events", EventRange()), options.pop("badges", None), NOW, **options)
        replay = Replay(Session(registry, store, guard), request)
        steps: list[Checkpoint] = []
        result = replay.run(steps.append)
    assert [step.failures for step in steps if step.failures] == []
    assert len({award.grant for step in steps for award in step.awards}) >= sum(
        change.gained for change in result.changes
    )
    store.close()  # its temporary tables go
    return result


def rows(store: Store, columns: str = "*") -> list[Any]:
    found: list[Any] = store.database.execute_sql(f"SELECT {columns} FROM awards ORDER BY 1, 2, 3, 4, 5").fetchall()
    return found


EVENTS = st.tuples(st.sampled_from("ab"), st.integers(0, 120), st.sampled_from(["alice", "bob"]), st.integers(0, 3))
STREAMS = st.lists(EVENTS, max_size=25)
IN_ORDER = STREAMS.map(lambda stream: sorted(stream, key=lambda event: event[1]))


@holds_for(IN_ORDER, st.booleans(), st.booleans(), quick=8, long=25)
def test_a_replay_of_what_came_in_its_order_changes_nothing(
    tmp_path_factory: pytest.TempPathFactory, stream: list[Any], reversed_order: bool, prune: bool
) -> None:
    registry = registry_of(reversed_order=reversed_order)
    with open_store(str(tmp_path_factory.mktemp("site") / "store.db"), create=True) as store:
        record(registry, store, stream)
        before = rows(store)

        result = replayed(registry, store, prune=prune)

        assert rows(store) == before
        assert (result.events, result.stale, result.revoked) == (len(stream), 0, 0)


@holds_for(IN_ORDER, quick=8, long=25)
def test_a_replay_after_the_fact_awards_what_live_would_have(
    tmp_path_factory: pytest.TempPathFactory, stream: list[Any]
) -> None:
    registry = registry_of(reversed_order=False)
    folder = tmp_path_factory.mktemp("site")
    with (
        open_store(str(folder / "live.db"), create=True) as live,
        open_store(str(folder / "a.db"), create=True) as after,
    ):
        record(registry, live, stream)
        record(Registry(), after, stream)
        foreseen = replayed(registry, after, dry_run=True)
        assert rows(after) == []

        result = replayed(registry, after)

        assert rows(after) == rows(live)
        assert result == foreseen


@holds_for(STREAMS, quick=8, long=25)
def test_a_second_replay_changes_nothing(tmp_path_factory: pytest.TempPathFactory, stream: list[Any]) -> None:
    registry = registry_of(reversed_order=False)
    with open_store(str(tmp_path_factory.mktemp("site") / "store.db"), create=True) as store:
        record(registry, store, stream)  # not in the order of its times
        before = set(rows(store))
        replayed(registry, store)
        after = rows(store)

        result = replayed(registry, store)

        assert rows(store) == after
        assert before <= set(after)
        assert [change.gained for change in result.changes] == [0] * len(result.changes)


@holds_for(STREAMS, quick=8, long=25)
def test_pruned_awards_are_those_of_a_replay_from_nothing(
    tmp_path_factory: pytest.TempPathFactory, stream: list[Any]
) -> None:
    class Looser(CountBadge):
        slug, levels, events, thresholds = "third", ["Three", "Five"], ["a", "b"], [1, 2]

    class Collector(CountBadge):
        slug, levels, events, thresholds = "collector", ["Two", "Six"], ["badge_awarded"], [1, 3]

    loose, strict = Registry(), Registry()
    for badge in (Looser, Collector):
        loose.register(badge)
        strict.register(type("Strict", (badge,), {"thresholds": [3, 5]}))
    folder = tmp_path_factory.mktemp("site")
    stream.sort(key=lambda event: event[1])
    with open_store(str(folder / "a.db"), create=True) as store, open_store(str(folder / "b.db"), create=True) as new:
        record(loose, store, stream)
        record(strict, new, stream)
        columns = '"user", badge, level, "key", occasion'
        foreseen = replayed(strict, store, prune=True, dry_run=True)

        result = replayed(strict, store, prune=True)

        assert result == foreseen
        present = store.database.execute_sql(f"SELECT {columns} FROM awards WHERE revoked_at IS NULL ORDER BY 1, 2, 3")
        assert present.fetchall() == rows(new, columns)
        assert replayed(strict, store, prune=True).stale == 0


COUNT = """
    from brabeion_cli import badges
    from brabeion_cli.base import Badge, BadgeAwarded, CountBadge

    @badges.register
    class Regular(CountBadge):
        slug = "regular"
        levels = ["Bronze", "Silver"]
        events = ["it_happened"]
        thresholds = [2, 4]
        async_ = False
"""


def stream(*days: int, user: str = "alice", event: str = "it_happened") -> str:
    lines = [{"event": event, "user": user, "id": f"{user}-{day}", "at": f"2026-01-{day:02}"} for day in days]
    return "".join(json.dumps(line) + "\n" for line in lines)


def awards(project: Project) -> list[Any]:
    listed = project.ok("list", "--json").json
    return sorted((row["user"], row["badge"], row["level"], row["event"] and row["event"]["id"]) for row in listed)


@pytest.fixture
def unjudged(project: Project) -> Project:
    """Events of two users, recorded before there was a badge."""
    (project.directory / "none").mkdir()
    text = stream(1, 2, 3, 4) + stream(1, 2, user="bob") + stream(9, user="bob", event="other")
    project.ok("--badges", "none", "ingest", stdin=text)
    project.badge(COUNT)
    return project


EARNED = [("alice", "regular", 1, "alice-2"), ("alice", "regular", 2, "alice-4"), ("bob", "regular", 1, "bob-2")]


@pytest.mark.parametrize("async_", ["False", "True"])
def test_missing_awards_come_with_the_event_that_earned_them(unjudged: Project, async_: str) -> None:
    unjudged.badge(COUNT.replace("async_ = False", f"async_ = {async_}"))
    result = unjudged.ok("replay", "--json").json

    assert result == {
        "events": 7, "awarded": 3, "stale": 0, "revoked": 0, "errors": 0, "badges": {"regular": {"1": 2, "2": 1}},
    }  # fmt: skip
    assert awards(unjudged) == EARNED
    assert unjudged.sql("SELECT count(*) FROM tasks") == [(0,)]
    again = unjudged.ok("replay", "--json").json
    assert (again["awarded"], again["badges"]) == (0, {})


def test_a_dry_run_says_it_in_one_table_and_writes_nothing(unjudged: Project) -> None:
    before = unjudged.db.read_bytes()

    result = unjudged.ok("replay", "--dry-run")

    assert result.out.splitlines() == [
        "badge    level  name    would gain it  no longer earned  for example",
        "regular      1  Bronze              2                 0  alice, bob",
        "regular      2  Silver              1                 0  alice",
        "7 events, 3 would be awarded, 0 no longer earned, 0 errors",
    ]
    assert result.err == ""
    assert unjudged.db.read_bytes() == before
    assert awards(unjudged) == []
    assert unjudged.ok("replay", "--dry-run", "--json").json["awarded"] == 3


def test_what_would_a_badge_of_another_directory_do(unjudged: Project) -> None:
    unjudged.ok("replay")
    unjudged.write("new/badge.py", COUNT.replace('"regular"', '"eager"').replace("[2, 4]", "[1, 9]"))

    result = unjudged.ok("replay", "--badges", "new", "--dry-run", "--json").json

    assert (result["awarded"], result["stale"], result["badges"]) == (2, 0, {"eager": {"1": 2}})


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--user", "bob"], EARNED[2:]),
        (["--until", "2026-01-04"], [EARNED[0], EARNED[2]]),
        (["--since", "2026-01-03"], [EARNED[1], ("alice", "regular", 1, "alice-3")]),
        (["--badge", "regular"], EARNED),
        (["--user", "nobody"], []),
    ],
)
def test_a_part_of_the_journal(unjudged: Project, options: list[str], expected: list[Any]) -> None:
    result = unjudged.ok("replay", *options, "--json").json

    assert awards(unjudged) == sorted(expected)
    assert result["awarded"] == len(expected)


def test_what_the_rules_no_longer_give_is_told_and_revoked_when_asked_for(unjudged: Project) -> None:
    unjudged.ok("replay")
    unjudged.ok("award", "--user", "carol", "--badge", "regular", "--level", "1", "--reason", "kind")
    unjudged.badge(COUNT.replace("[2, 4]", "[3, 5]"))

    result = unjudged.ok("replay", "--json").json
    assert (result["awarded"], result["stale"], result["revoked"]) == (0, 2, 0)
    assert unjudged.ok("replay", "--dry-run", "--prune", "--json").json["revoked"] == 2
    assert "2 no longer earned" in unjudged.ok("replay", "--dry-run").out
    assert len(awards(unjudged)) == 4

    told = unjudged.ok("replay", "--prune").out
    assert "2 no longer earned, 2 revoked" in told
    assert [row[:3] for row in awards(unjudged)] == [("alice", "regular", 1), ("carol", "regular", 1)]
    assert unjudged.sql("SELECT DISTINCT revoked_by, revoked_because FROM awards WHERE revoked_at IS NOT NULL") == [
        ("replay", "the rules no longer give it")
    ]
    assert unjudged.ok("replay", "--prune", "--json").json["revoked"] == 0


def test_what_a_replay_took_back_is_earned_again_when_the_rules_give_it(unjudged: Project) -> None:
    unjudged.ok("replay")
    unjudged.ok("revoke", "--user", "bob", "--badge", "regular", "--reason", "void")
    before = awards(unjudged)
    unjudged.badge(COUNT.replace("[2, 4]", "[3, 5]"))
    unjudged.ok("replay", "--prune")
    assert awards(unjudged) != before

    unjudged.badge(COUNT)
    assert unjudged.ok("replay", "--json").json["awarded"] == 1

    assert awards(unjudged) == before  # and bob's stays revoked
    result = unjudged.run("revoke", "--user", "alice", "--badge", "regular", "--reason", "x", "--by", "replay")
    assert (result.status, "which stands for what `brabeion replay --prune` takes back" in result.err) == (2, True)


def test_a_part_alone_does_not_say_that_an_award_is_stale(unjudged: Project) -> None:
    unjudged.ok("replay")
    unjudged.simple_badge(
        "return BadgeAwarded(level=1) if state['history'].count('it_happened') == 1 else None",
        slug="regular", levels=["Bronze", "Silver"], name="badge.py",
    )  # fmt: skip

    for scope in (["--since", "2026-01-02"], ["--until", "2026-01-05"], ["--user", "alice"]):
        result = unjudged.ok("replay", *scope, "--json").json
        assert (result["stale"], result["revoked"]) == (1, 0), scope  # Silver: Bronze is what the first event gives
    assert unjudged.ok("replay", "--prune", "--since", "2026-01-03", "--json").json["revoked"] == 1
    assert ("alice", "regular", 1, "alice-2") in awards(unjudged)


def test_awards_of_badges_that_are_gone_are_left_alone(unjudged: Project) -> None:
    unjudged.ok("replay")
    (unjudged.directory / "badges/badge.py").unlink()
    unjudged.simple_badge("return None")

    result = unjudged.ok("replay", "--prune", "--json").json

    assert (result["stale"], result["revoked"]) == (0, 0)


def test_late_comers_are_seen_in_hindsight(project: Project) -> None:
    project.badge(COUNT)
    project.ok("ingest", stdin=stream(10, 5, 4, 3))
    assert awards(project) == []

    assert project.ok("replay", "--json").json["awarded"] == 2
    assert awards(project) == [("alice", "regular", 1, "alice-4"), ("alice", "regular", 2, "alice-10")]
    assert project.ok("replay", "--json").json["awarded"] == 0


def test_a_deferred_badge_sees_what_was_known_when_its_event_came(project: Project) -> None:
    project.badge(COUNT.replace("async_ = False", "async_ = True"))
    project.ok("ingest", stdin=stream(10, 5))
    project.ok("process-queue")

    assert awards(project) == []


def test_a_badge_that_fails_is_told_and_none_of_its_awards_is_stale(unjudged: Project) -> None:
    unjudged.ok("replay")
    unjudged.simple_badge(
        "if state['history'].event.id == 'bob-1':\n    raise ValueError('odd')\nreturn None",
        slug="regular", levels=["Bronze", "Silver"], name="badge.py",
    )  # fmt: skip
    unjudged.simple_badge("return BadgeAwarded()", slug="fine", name="fine.py")

    result = unjudged.run("replay", "--prune", "--json")

    assert result.status == 1
    assert (result.json["errors"], result.json["stale"], result.json["badges"]) == (1, 0, {"fine": {"1": 2}})
    assert "badge regular failed for event 5 (id bob-1) of bob: ValueError: odd (badge.py:12)" in result.err
    assert len(awards(unjudged)) == 5


def test_awards_for_the_awards_of_a_badge_that_fails_are_not_stale(project: Project) -> None:
    project.simple_badge("return BadgeAwarded()", slug="base")
    project.simple_badge(
        "return BadgeAwarded(key=state['badge']) if state['badge'] != 'collector' else None",
        slug="collector", events=["badge_awarded"],
    )  # fmt: skip
    project.fire()
    project.simple_badge("raise ValueError('odd')", slug="base")

    result = project.run("replay", "--prune", "--json")

    assert (result.status, result.json["errors"], result.json["stale"]) == (1, 1, 0)
    assert project.sql("SELECT count(*) FROM awards WHERE revoked_at IS NULL") == [(2,)]


@pytest.mark.parametrize("dry_run", [False, True])
@pytest.mark.parametrize("death", ["os._exit(0)", "os.kill(os.getpid(), 9)"])
def test_a_badge_that_ends_the_process_ends_nothing_else(unjudged: Project, death: str, dry_run: bool) -> None:
    unjudged.simple_badge(
        f"if state['history'].event.id == 'alice-3':\n    {death}\nreturn BadgeAwarded()", slug="killer"
    )

    result = unjudged.run("replay", "--json", *(["--dry-run"] if dry_run else []))

    assert result.status == 1
    assert (result.json["errors"], result.json["awarded"]) == (1, 5)
    assert result.json["badges"] == {"killer": {"1": 2}, "regular": {"1": 2, "2": 1}}
    assert "badge killer failed for event 3 (id alice-3) of alice: " in result.err


def test_what_was_awarded_before_a_deferred_badge_ended_the_process_is_told(unjudged: Project) -> None:
    unjudged.simple_badge("return BadgeAwarded(key=state['history'].event.id)", slug="early", name="a.py")
    unjudged.simple_badge(
        "if state['history'].event.id == 'alice-3':\n    os._exit(1)\nreturn None",
        slug="late",
        async_=True,
        name="z.py",
    )
    unjudged.badge(RECEIVER.format(body="pass"), name="receiver.py")

    result = unjudged.run("replay", "--notify", "--json")

    assert (result.json["awarded"], result.json["badges"]["early"]) == (9, {"1": 6})
    assert result.err.count("\ntold ") + result.err.startswith("told ") == 9
    assert unjudged.sql("SELECT count(*) FROM awards") == [(9,)]


def test_pruning_awards_nothing_that_it_takes_back(unjudged: Project) -> None:
    unjudged.ok("replay")
    unjudged.badge(COUNT.replace("[2, 4]", "[8, 9]"))
    unjudged.simple_badge("return BadgeAwarded() if state['history'].has('regular') else None", slug="fan")
    unjudged.badge(RECEIVER.format(body="pass"), name="receiver.py")
    unjudged.simple_badge("raise ValueError('odd')", slug="odd", events=["other"], name="odd.py")

    result = unjudged.run("replay", "--prune", "--notify", "--json")

    assert (result.json["awarded"], result.json["revoked"], result.json["errors"]) == (0, 3, 1)
    assert "told" not in result.err
    assert unjudged.sql("SELECT count(*) FROM awards WHERE badge = 'fan'") == [(0,)]


def test_a_badge_that_always_ends_the_process_is_given_up(unjudged: Project) -> None:
    unjudged.simple_badge("os._exit(3)", slug="killer")

    result = unjudged.run("replay", "--json")

    assert (result.status, result.json["errors"], result.json["awarded"]) == (1, 6, 3)
    assert "not asked: it ended its process 3 times" in result.err


RECEIVER = """
    import os
    from brabeion_cli import badges
    from brabeion_cli.signals import badge_awarded

    @badge_awarded.connect
    def tell(sender, badge_award, **kwargs):
        print("told", badge_award.user, badge_award.level_name)
        if badge_award.user == "bob":
            {body}
"""


def test_receivers_hear_of_it_only_when_asked_for(unjudged: Project) -> None:
    unjudged.badge(RECEIVER.format(body="badges.possibly_award_badge('thanked', user='bob')"), name="receiver.py")

    assert "told" not in unjudged.ok("replay", "--until", "2026-01-02T12:00:00Z", "--user", "alice").err
    assert "told" not in unjudged.ok("replay", "--dry-run", "--notify").err
    told = unjudged.ok("replay", "--notify").err
    assert [line for line in told.splitlines() if line.startswith("told")] == ["told bob Bronze", "told alice Silver"]
    assert unjudged.sql("SELECT count(*) FROM events WHERE name = 'thanked'") == [(1,)]


def test_a_receiver_that_ends_its_process_hurts_nothing(unjudged: Project) -> None:
    unjudged.badge(RECEIVER.format(body="os._exit(1)"), name="receiver.py")

    result = unjudged.ok("replay", "--notify", "--json")

    assert "a receiver of badge_awarded (for badge 'regular') did not return" in result.err
    assert "told alice Silver" in result.err
    assert result.json["awarded"] == 3


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["--badge", "regulr"], 2, "no badge 'regulr' (did you mean 'regular'?)"),
        (["--since", "yesterday"], 2, "--since is 'yesterday'; write ISO 8601"),
        (["--user", ""], 2, "user is empty"),
        (["--db", "missing.db"], 78, "no database at"),
    ],
)
def test_a_wrong_call_says_what_is_wrong(unjudged: Project, arguments: list[str], status: int, message: str) -> None:
    result = unjudged.run("replay", *arguments)

    assert (result.status, result.out) == (status, "")
    assert message in result.err


@pytest.mark.parametrize("users", lengths(15, 40))
def test_killed_and_started_again_it_ends_as_if_it_had_never_been_killed(project: Project, users: int) -> None:
    (project.directory / "none").mkdir()
    lines = [stream(*range(1, 29), user=f"user{number}") for number in range(users)]
    project.ok("--badges", "none", "ingest", stdin="".join(lines))
    project.simple_badge("time.sleep(0.001)\nreturn BadgeAwarded()", multiple=True)

    for pause in (0.5, 0.8):
        process = project.start("replay")
        time.sleep(pause)
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=30)
    process = project.start("replay", "--json")
    assert project.fire().status == 0  # others go on meanwhile
    _, err = process.communicate(timeout=60)

    assert process.returncode == 0, err
    assert project.sql("SELECT count(*), count(DISTINCT event_number) FROM awards") == [
        (users * 28 + 1, users * 28 + 1)
    ]
    assert project.ok("db", "verify").status == 0
    assert project.ok("replay", "--json").json["awarded"] == 0


@pytest.mark.parametrize("sizes", lengths((2_000, 4_000), (6_000, 12_000)))
def test_memory_does_not_grow_with_the_journal(project: Project, sizes: tuple[int, int]) -> None:
    project.simple_badge("return BadgeAwarded(key=str(state['n']))")
    code = (
        "import resource, sys; from brabeion_cli.cli import main\n"
        "sys.argv = ['brabeion', 'replay', '--dry-run']\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    (project.directory / "none").mkdir()
    peaks = []
    for size in sizes:  # the second time there are three times as many in all
        text = "".join(
            json.dumps({"event": "it_happened", "user": "u", "at": "2026-01-01", "state": {"n": n, "text": "x" * 2000}})
            + "\n" for n in range(size)
        )  # fmt: skip
        project.ok("--badges", "none", "ingest", stdin=text)
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=project.directory, capture_output=True, text=True, check=True
        )
        peaks.append(int(done.stdout.split()[-1]))

    # In KiB. The states alone are 8 MB more (long: 24 MB), and both times more than SQLite keeps of them.
    assert peaks[1] < peaks[0] + 3_000
