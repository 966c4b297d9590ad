"""`state["history"]`: every question, held against the answer that looking at all events gives."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date, datetime, timedelta, timezone
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import pytest
from hypothesis import strategies as st

from brabeion_cli.base import Badge
from brabeion_cli.database import late_counts, row_checks
from brabeion_cli.domain import events
from brabeion_cli.domain.timeline import JournalEntry
from brabeion_cli.engine.evaluation import EvaluationContext
from brabeion_cli.engine.history import History
from brabeion_cli.engine.journal import Journal
from brabeion_cli.errors import EventError
from brabeion_cli.store import event_log
from brabeion_cli.store.event_range import EventRange
from brabeion_cli.store.store import Store, open_store
from tests.support.costs import steps
from tests.support.lengths import holds_for
from tests.support.moments import NOW


class RecordedJournal:
    """A journal, and the history that each of its entries has."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.entries: list[JournalEntry] = []

    def record(
        self, name: str, at: str | datetime, state: dict[str, Any] | None = None, user: str = "alice"
    ) -> JournalEntry:
        made = events.make(name, state or {}, user=user, at=at, now=NOW, max_bytes=10_000)
        with self.store.transaction():
            number = self.store.events.add(made)
        assert number is not None
        self.entries.append(JournalEntry(number, made.name, made.user, made.at, made.id, made.state_json))
        return self.entries[-1]

    def history(self, entry: JournalEntry | None = None, *, hindsight: bool = False, timezone: str = "UTC") -> History:
        of_store = Journal(self.store.database, timezone)
        return EvaluationContext(entry or self.entries[-1], of_store, hindsight=hindsight).history


@pytest.fixture
def journal(store: Store) -> RecordedJournal:
    return RecordedJournal(store)


class Seen(NamedTuple):
    """What all questions together say."""

    counts: tuple[int, ...]
    events: list[Any]
    first: Any
    last: Any
    last_one: Any
    days: list[date]
    streaks: list[int]


def shown(event: Any) -> Any:
    return None if event is None else (event.name, event.at, event.state)


def asked(history: History, names: tuple[str, ...], zone: str) -> Seen:
    return Seen(
        (history.count(*names), history.count(*names, n=1), *(history.count(name) for name in names)),
        [shown(event) for event in history.events(*names)],
        shown(history.first(*names)),
        shown(history.last(*names)),
        (shown(history.last(*names, n=1)), history.streak(*names, tz=zone, n=1)),
        list(history.days(*names, tz=zone)),
        [history.streak(*names, tz=zone, grace=grace) for grace in range(3)],
    )


def looked_up(entries: list[JournalEntry], of: JournalEntry, known: int, names: tuple[str, ...], zone: str) -> Seen:
    """The same, by looking at every event."""
    seen = sorted(
        (entry for entry in entries if (entry.at, entry.number) <= (of.at, of.number) and entry.number <= known),
        key=lambda entry: (entry.at, entry.number),
    )
    seen = [entry for entry in seen if entry.user == of.user and entry.name in names]
    rows = [(entry.name, datetime.fromisoformat(entry.at), json.loads(entry.state_json)) for entry in seen]
    days = sorted({at.astimezone(ZoneInfo(zone)).date() for _, at, _ in rows})
    ones = [row for row in rows if row[2] == {"n": 1}]
    today = datetime.fromisoformat(of.at).astimezone(ZoneInfo(zone)).date()
    return Seen(
        (
            len(rows),
            sum(state.get("n") == 1 for _, _, state in rows),
            *(sum(row[0] == name for row in rows) for name in names),
        ),
        rows,
        rows[0] if rows else None,
        rows[-1] if rows else None,
        (ones[-1] if ones else None, streak({at.astimezone(ZoneInfo(zone)).date() for _, at, _ in ones}, today, 0)),
        days,
        [streak(set(days), today, grace) for grace in range(3)],
    )


def streak(days: set[date], today: date, grace: int) -> int:
    length, day = 0, today
    missed = -(today not in days)  # today is not over
    while missed <= grace and days:
        length += day in days
        missed += day not in days
        day -= timedelta(days=1)
        if day < min(days):
            break
    return length


MINUTES = st.one_of(
    st.integers(0, 60 * 24 * 12),
    st.sampled_from([0, 60 * 24, 60 * 24 * 5]),
    st.integers(60 * 24 * 5 + 100, 60 * 24 * 5 + 230),  # around the night when they do
)
STREAMS = st.lists(
    st.tuples(st.sampled_from("abc"), MINUTES, st.sampled_from(["alice", "bob"]), st.integers(0, 2)), max_size=40
)


@holds_for(
    STREAMS,
    st.sampled_from(["UTC", "Europe/Berlin", "America/Sao_Paulo", "America/St_Johns", "Asia/Kathmandu"]),
    st.booleans(),
    st.sampled_from([late_counts.MAX_UNCOUNTED, 0]),  # late-comers that are few, and many
    quick=30,
    long=150,
)
def test_every_answer_is_the_one_that_looking_at_all_events_gives(
    tmp_path_factory: pytest.TempPathFactory, stream: list[Any], zone: str, hindsight: bool, few: int
) -> None:
    # Clocks change in the next twelve days; in St John's at 00:01, so that 29 October falls in two.
    start = datetime(2006, 10, 24, tzinfo=timezone.utc)
    with (
        pytest.MonkeyPatch.context() as patch,
        open_store(str(tmp_path_factory.mktemp("site") / "store.db"), create=True) as store,
    ):
        patch.setattr(late_counts, "MAX_UNCOUNTED", few)
        journal = RecordedJournal(store)
        for name, minutes, user, n in stream:
            entry = journal.record(name, start + timedelta(minutes=minutes), {"n": n}, user)
            if not hindsight:  # what is seen now …
                wanted = looked_up(journal.entries, entry, entry.number, ("a", "b"), zone)
                assert asked(journal.history(entry), ("a", "b"), zone) == wanted
        for entry in journal.entries:  # … is also seen later, unless hindsight is asked for
            known = len(stream) if hindsight else entry.number
            wanted = looked_up(journal.entries, entry, known, ("a", "b"), zone)
            assert asked(journal.history(entry, hindsight=hindsight), ("a", "b"), zone) == wanted
        assert list(row_checks.contradictions(store.database)) == []


def test_a_late_comer_is_judged_in_its_own_past(journal: RecordedJournal) -> None:
    journal.record("e", "2026-01-01")
    later = journal.record("e", "2026-01-03")
    late = journal.record("e", "2026-01-02")

    assert [journal.history(entry).count("e") for entry in (later, late)] == [2, 2]
    assert [journal.history(entry, hindsight=True).count("e") for entry in (later, late)] == [3, 2]


def test_equal_moments_are_in_the_order_in_which_they_were_recorded(journal: RecordedJournal) -> None:
    entries = [journal.record("e", "2026-01-01") for _ in range(10)]

    assert [journal.history(entry, hindsight=True).count("e") for entry in entries] == list(range(1, 11))


def test_its_own_event_and_other_users(journal: RecordedJournal) -> None:
    journal.record("f", "2026-01-01", user="bob")
    journal.record("f", "2026-01-03", user="bob")
    entry = journal.record("e", "2026-01-02T03:04:05Z", {"n": [1]})
    history = journal.history(entry)

    assert history.event is not None
    assert (history.event.name, history.event.user, history.event.id) == ("e", "alice", None)
    assert history.event.at == datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
    assert history.event.state == {"n": [1]}
    assert (history.user, history.of("bob").user) == ("alice", "bob")
    assert (history.count("f"), history.of("bob").count("f"), history.of("bob").count("e")) == (0, 1, 0)
    assert (history.count(), history.of("bob").count(), history.of(7).count()) == (1, 1, 0)
    assert repr(history.event) == "<e of alice at 2026-01-02T03:04:05.000000Z, id None>"


STATE = {
    "int": 7, "float": 7.5, "zero": 0, "true": True, "null": None, "text": "7", "list": [1, {"a": 2}],
    "post": {"owner": "7", "tags": ["x"], "deep": {"n": 1}}, "a__b": 1, "p__q": {"r": 5}, "é": "ü",
}  # fmt: skip


@pytest.mark.parametrize(
    ("where", "fits"),
    [
        ({"int": 7}, True),
        ({"int": 7.0}, True),
        ({"int": "7"}, False),
        ({"float": 7.5}, True),
        ({"zero": False}, False),
        ({"true": True}, True),
        ({"true": 1}, False),
        ({"null": None}, True),
        ({"missing": None}, False),
        ({"text": "7"}, True),
        ({"text": 7}, False),
        ({"list": [1, {"a": 2}]}, True),
        ({"list": (1, {"a": 2.0})}, True),
        ({"list": [True, {"a": 2}]}, False),
        ({"list": [1]}, False),
        ({"list__1__a": 2}, True),
        ({"list__5": 2}, False),
        ({"post": {"owner": "7", "tags": ["x"], "deep": {"n": 1}}}, True),
        ({"post": {"owner": "7"}}, False),
        ({"post__owner": "7"}, True),
        ({"post__owner": 7}, False),
        ({"post__tags__0": "x"}, True),
        ({"post__deep__n": 1}, True),
        ({"post__deep__m": 1}, False),
        ({"int__n": 1}, False),
        ({"a__b": 1}, True),
        ({"p__q__r": 5}, True),
        ({"é": "ü"}, True),
        ({"int": 7, "text": "7"}, True),
        ({"int": 7, "text": "8"}, False),
        ({"int": lambda value: value > 6}, True),
        ({"missing": lambda value: True}, False),
    ],
)
def test_where_compares_fields_as_json(journal: RecordedJournal, where: dict[str, Any], fits: bool) -> None:
    journal.record("e", "2026-01-01", STATE)
    history = journal.history()

    assert history.count("e", **where) == fits
    assert (history.first("e", **where) is not None, history.last("e", **where) is not None) == (fits, fits)
    assert (len(list(history.events("e", **where))), history.days("e", **where)) == (fits, fits)
    assert history.streak("e", **where) == fits


def test_sum_adds_numbers_and_passes_over_what_is_not_there(journal: RecordedJournal) -> None:
    for state in (
        {"points": 3},
        {},
        {"points": None},
        {"points": -1, "post": {"score": 0.1}},
        {"post": {"score": 0.2}},
    ):
        journal.record("e", "2026-01-01", state)
    history = journal.history()

    assert (history.sum("e", "points"), history.sum("e", field="points", points=3), history.sum("f", "points")) == (
        2,
        3,
        0,
    )
    assert isinstance(history.sum("e", "points"), int)
    assert history.sum("e", "post__score") == pytest.approx(0.3)
    for wrong in ("7", True, [1]):
        journal.record("e", "2026-01-02", {"points": wrong})
        with pytest.raises(TypeError, match=r"sum of 'points': e at 2026-01-02.* has .* there, not a number"):
            journal.history().sum("e", "points")


def test_events_between_two_moments(journal: RecordedJournal) -> None:
    for day in range(1, 8):
        journal.record("ab"[day % 2], f"2026-03-{day:02}T23:30:00Z")
    history = journal.history(timezone="Europe/Berlin")

    def days(**bounds: Any) -> list[int]:
        return [event.at.day for event in history.events("a", "b", **bounds)]

    assert days(since="2026-03-03T23:30:00Z", until="2026-03-05T23:30:00Z") == [3, 4]
    assert days(since=datetime(2026, 3, 6, tzinfo=timezone.utc)) == [6, 7]
    assert days(until=date(2026, 3, 3)) == [1]  # 23:30 is past midnight in Berlin
    with pytest.raises(EventError, match="since is 'monday'; write ISO 8601"):
        history.events("a", since="monday")


def test_more_events_than_a_page_come_once_each(journal: RecordedJournal, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(20):
        journal.record("e", f"2026-01-{1 + number // 8:02}", {"n": number})
    monkeypatch.setattr(event_log, "PAGE", 3)

    assert [event.state["n"] for event in journal.history().events("e")] == list(range(20))


@pytest.mark.parametrize(
    ("zone", "moments", "length"),
    [
        # 23:30 and 00:30 in Berlin on the days around both changes of the clocks
        ("Europe/Berlin", ["2026-03-28T22:30Z", "2026-03-28T23:30Z", "2026-03-29T22:30Z"], 3),
        ("Europe/Berlin", ["2026-10-24T21:30Z", "2026-10-25T22:30Z", "2026-10-25T23:30Z"], 3),
        ("UTC", ["2026-10-24T21:30Z", "2026-10-25T22:30Z", "2026-10-25T23:30Z"], 2),
        # there was no midnight in São Paulo on 4 November 2018, and two on 17 February 2018
        ("America/Sao_Paulo", ["2018-11-04T02:59Z", "2018-11-04T03:00Z", "2018-11-05T01:59Z"], 2),
        ("America/Sao_Paulo", ["2018-02-18T01:30Z", "2018-02-18T02:30Z", "2018-02-18T03:30Z"], 2),
        # Samoa went from 29 to 31 December 2011
        ("Pacific/Apia", ["2011-12-29T20:00Z", "2011-12-30T20:00Z"], 2),
        ("Pacific/Apia", ["2011-12-28T20:00Z", "2011-12-30T20:00Z"], 1),
        ("Asia/Tokyo", ["0001-01-01T00:00Z", "0001-01-01T20:00Z"], 2),
        ("America/New_York", ["0001-01-01T00:00Z", "0001-01-02T10:00Z"], 2),
        ("Asia/Tokyo", ["9999-12-31T00:00Z", "9999-12-31T23:00Z"], 1),
    ],
)
def test_days_follow_the_zone_also_where_clocks_change(
    journal: RecordedJournal, zone: str, moments: list[str], length: int
) -> None:
    for moment in moments:
        journal.record("e", moment)

    assert journal.history(timezone=zone).streak("e") == length
    assert journal.history().streak("e", tz=ZoneInfo(zone)) == length
    assert journal.history().days("e", tz=zone) == len({*journal.history().days("e", tz=zone)})


def test_a_day_may_fall_in_two(journal: RecordedJournal) -> None:
    # In Goose Bay 7 November 2010 began at 03:00 UTC, ended a minute later, and began again at 04:00.
    for moment, seen in (("03:00:30", 1), ("03:30:00", 2), ("12:30:00", 2)):
        journal.record("e", f"2010-11-07T{moment}Z", {"n": 1})
        history = journal.history(timezone="America/Goose_Bay")
        assert (history.days("e"), history.days("e", n=1)) == (seen, seen)
        assert history.streak("e") == history.streak("e", n=1)


def test_a_streak_lives_until_the_end_of_the_next_day(journal: RecordedJournal) -> None:
    for day in (1, 2, 4, 5, 7):
        journal.record("visited", f"2026-01-{day:02}")
    lengths = [
        [
            journal.history(journal.record("asked", f"2026-01-{day:02}")).streak("visited", grace=grace)
            for grace in (0, 1, 2)
        ]
        for day in (7, 8, 9, 10)
    ]

    assert lengths == [[1, 3, 5], [1, 3, 5], [0, 1, 3], [0, 0, 1]]


def test_days_are_a_number_that_knows_which(journal: RecordedJournal) -> None:
    for moment in ("2026-01-01", "2026-01-01T23:00Z", "2026-01-05"):
        journal.record("e", moment)
    days = journal.history().days("e")

    assert (days, len(days), list(days)) == (2, 2, [date(2026, 1, 1), date(2026, 1, 5)])
    assert days >= 2
    assert date(2026, 1, 5) in days
    assert date(2026, 1, 4) not in days
    assert days[-1] == date(2026, 1, 5)
    assert not journal.history().days("none")


def give(journal: RecordedJournal, badge: str, number: int | None, at: str, level: int = 1, **more: str) -> None:
    columns = {"user": "alice", "badge": badge, "level": level, "key": "", "occasion": 0, "awarded_at": at}
    columns |= {"event_number": number, "position": 0 if number is None else 1, **more}
    names = ", ".join(f'"{name}"' for name in columns)
    with journal.store.transaction():
        journal.store.database.execute_sql(
            f"INSERT INTO awards ({names}) VALUES ({', '.join('?' * len(columns))})", list(columns.values())
        )


def test_awards_that_were_held(journal: RecordedJournal) -> None:
    class Silver(Badge):
        slug = "silver"

    early = journal.record("e", "2026-01-01")
    earning = journal.record("e", "2026-01-02")
    later = journal.record("e", "2026-01-03")
    give(journal, "silver", earning.number, earning.at, level=2)
    give(journal, "by-hand", None, earning.at, given_by="bob", reason="kind")

    held = [
        [journal.history(entry).has("silver", level) for level in (None, 1, 2)] for entry in (early, earning, later)
    ]

    assert held == [[False] * 3, [False] * 3, [True, False, True]]
    assert [journal.history(entry).has(Silver) for entry in (early, later)] == [False, True]
    assert [journal.history(entry).has("by-hand") for entry in (early, earning, later)] == [False, True, True]
    assert not journal.history(later).of("bob").has("silver")
    late = journal.record("e", "2026-01-01T12:00:00Z")
    give(journal, "late", late.number, late.at)
    assert [journal.history(later, hindsight=hindsight).has("late") for hindsight in (False, True)] == [False, True]
    for wrong in (0, "Silver"):
        with pytest.raises(ValueError, match="levels are numbers, counted from 1"):
            journal.history(later).has("silver", wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(("by", "held"), [("bob", [True, False]), ("replay", [False, False])])
def test_an_award_that_was_revoked_was_held_until_then(journal: RecordedJournal, by: str, held: list[bool]) -> None:
    entries = [journal.record("e", f"2026-01-{day:02}") for day in (1, 2, 4)]
    revoked = {"revoked_at": "2026-01-03T00:00:00.000000Z", "revoked_by": by, "revoked_because": "void"}
    give(journal, "silver", entries[0].number, entries[0].at, **revoked)

    assert [journal.history(entry).has("silver") for entry in entries[1:]] == held
    assert [journal.history(entry).count("badge_awarded") for entry in entries[1:]] == held


def test_awards_are_events_of_the_history(journal: RecordedJournal) -> None:
    entries = [journal.record("e", f"2026-01-{day:02}") for day in (1, 2, 3)]
    give(journal, "silver", entries[0].number, entries[0].at, level=2)
    give(journal, "gold", entries[1].number, entries[1].at)
    named = Journal(journal.store.database, level_name=lambda badge, level: f"{badge} {level}")
    history = EvaluationContext(entries[2], named).history

    assert history.count("badge_awarded") == 2
    assert history.count("badge_awarded", badge="gold") == 1
    assert [event.state["badge"] for event in history.events("badge_awarded")] == ["silver", "gold"]
    last = history.last("badge_awarded")
    assert last is not None
    assert last.state == {"badge": "gold", "level": 1, "level_name": "gold 1", "key": None}
    assert history.days("badge_awarded") == 2
    assert history.streak("badge_awarded", "e") == 3
    assert [event.name for event in history.events("badge_awarded", "e")] == ["e", "badge_awarded"] * 2 + ["e"]


@pytest.mark.parametrize(
    ("question", "message"),
    [
        (lambda history: history.days("e", tz="Mars/Phobos"), "no time zone 'Mars/Phobos'; write a name of the IANA"),
        (lambda history: history.streak("e", grace=-1), "grace is -1; it must be a number of days, 0 or more"),
        (lambda history: history.count(["e"]), r"\['e'\] is not the name of an event"),
        (lambda history: history.of(""), "user is empty"),
    ],
)
def test_a_wrong_question_says_what_is_wrong(journal: RecordedJournal, question: Any, message: str) -> None:
    journal.record("e", "2026-01-01")

    with pytest.raises((ValueError, TypeError, EventError), match=message):
        question(journal.history())


@pytest.fixture(scope="module")
def large_journal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RecordedJournal]:
    """Users with 100 and with 10,000 events, on as many days and at few moments; half come late."""
    with open_store(str(tmp_path_factory.mktemp("large") / "store.db"), create=True) as store:
        journal = RecordedJournal(store)
        with store.transaction():
            for size in (100, 10_000):
                for number in range(size):
                    day = (number - 50 * (number % 100 == 99)) * 100 // size
                    at = datetime(2026, 1, 1, tzinfo=timezone.utc) + timedelta(days=day, hours=number % 2)
                    state = {"n": number % 3}
                    made = events.make("e", state, user=str(size), at=at, now=NOW, max_bytes=100)
                    store.events.add(made)
        yield journal


QUESTIONS = {
    "count": lambda history: history.count("e"),
    "count of all": lambda history: history.count(),
    "first": lambda history: history.first("e"),
    "last": lambda history: history.last("e"),
    "has": lambda history: history.has("e"),
    "days": lambda history: history.days("e"),
    "streak": lambda history: history.streak("e"),
    "the last that fits": lambda history: history.last("e", n=0),
    "events since": lambda history: next(history.events("e", since="2026-03-01"), None),
}


@pytest.mark.parametrize("question", QUESTIONS)
def test_many_events_cost_no_more_than_few(large_journal: RecordedJournal, question: str) -> None:
    costs = []
    for size in (100, 10_000):
        newest = large_journal.history(JournalEntry(10_100, "e", str(size), "2026-12-31T00:00:00.000000Z", None, "{}"))
        costs.append(steps(large_journal.store, lambda newest=newest: QUESTIONS[question](newest)))

    assert costs[1] < 2 * costs[0] + (5_000 if "events" in question or "fits" in question else 0)  # they fetch a page


def test_late_ones_that_are_many_are_not_counted_one_by_one(large_journal: RecordedJournal) -> None:
    costs: dict[str, list[int]] = {"hindsight": [], "recording": []}
    for size in (100, 10_000):  # of which half came late
        middle = large_journal.history(
            JournalEntry(5_000, "e", str(size), "2026-03-20T00:30:00.000000Z", None, "{}"), hindsight=True
        )
        costs["hindsight"].append(steps(large_journal.store, lambda middle=middle: middle.count("e")))
        made = events.make("e", {}, user=str(size), at="2026-03-20T00:30:00Z", now=NOW, max_bytes=100)
        costs["recording"].append(steps(large_journal.store, lambda made=made: large_journal.store.events.add(made)))

    assert [kind for kind, (few, many) in costs.items() if many > few + 1000] == [], costs


def test_looking_at_all_events_costs_the_same_for_each(large_journal: RecordedJournal) -> None:
    costs: dict[str, list[float]] = {"events": [], "numbers": [], "recording": []}
    for size in (100, 10_000):
        newest = large_journal.history(JournalEntry(10_100, "e", str(size), "2026-12-31T00:00:00.000000Z", None, "{}"))
        costs["events"].append(steps(large_journal.store, lambda newest=newest: list(newest.events("e"))) / size)
        walk = EventRange(user=str(size))
        costs["numbers"].append(
            steps(large_journal.store, lambda walk=walk: list(walk.numbers(large_journal.store.database, ["e"]))) / size
        )
        made = events.make("e", {}, user=str(size), at="2026-06-01", now=NOW, max_bytes=100)
        costs["recording"].append(steps(large_journal.store, lambda made=made: large_journal.store.events.add(made)))

    assert [kind for kind, (few, many) in costs.items() if many > 2 * few] == []


def test_a_day_that_clocks_went_back_from_is_not_in_a_streak_until_today(journal: RecordedJournal) -> None:
    entries = [
        journal.record("e", f"2006-10-29T02:{minute}:00Z") for minute in (30, 31)
    ]  # 00:00, and 23:01 the day before

    found = [
        [journal.history(entry).streak("e", tz="America/St_Johns", grace=grace) for grace in (0, 1)]
        for entry in entries
    ]

    assert found == [[1, 1], [1, 1]]
