"""The journal again: walks it in its order, asks the badges, awards what is missing, finds what they no longer give."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, TypeVar

from brabeion_cli import engine, source
from brabeion_cli.base import Badge
from brabeion_cli.engine import EndlessAwardsError
from brabeion_cli.events import BADGE_AWARDED, moment
from brabeion_cli.grants import Grant
from brabeion_cli.isolation import BadgeFailedError, Failure, Guard
from brabeion_cli.journal import REPLAY, Entry, Journal
from brabeion_cli.judging import Case, judge
from brabeion_cli.outcomes import NewAward
from brabeion_cli.registry import Registry
from brabeion_cli.store import Store
from brabeion_cli.stretch import Stretch
from brabeion_cli.watch import SharedWatch

T = TypeVar("T")

HOLD = 0.020  # seconds for which awards are entered in one transaction, and after which is told how far it has come
PAGE = 1000  # stale awards that are revoked in one transaction
NAMES = 3  # users that are named for each badge and level
MAX_PASSES = 20  # walks that pruning takes at most: one for each award that rests on another one

#: What the rules give, and who gained what; tables of this connection alone, so that memory does not grow.
SCRATCH = (
    'CREATE TEMP TABLE granted ("user" TEXT, badge TEXT, level INTEGER, "key" TEXT, occasion INTEGER, '
    'PRIMARY KEY ("user", badge, level, "key", occasion)) WITHOUT ROWID',
    'CREATE TEMP TABLE gained (badge TEXT, level INTEGER, "user" TEXT, '
    'PRIMARY KEY (badge, level, "user")) WITHOUT ROWID',
)
STALE = """
    FROM awards a JOIN events e ON e.number = a.event_number
    WHERE a.revoked_at IS NULL AND a.badge IN ({badges}) AND {within} AND NOT EXISTS (
        SELECT 1 FROM granted g WHERE g."user" = a."user" AND g.badge = a.badge AND g.level = a.level
        AND g."key" = a."key" AND g.occasion = a.occasion
    )
"""


class Step(NamedTuple):
    """How far a walk has come, and what it has awarded and met since the last step; that is on disk."""

    done: int
    total: int
    awards: list[NewAward]
    failures: list[tuple[Entry, str, Failure]]


class Change(NamedTuple):
    """What a replay changes in one level of a badge: users who gain it, awards that the rules no longer give."""

    badge: str
    level: int
    level_name: str | None
    gained: int
    stale: int
    names: list[str]


class Result(NamedTuple):
    """What a whole replay came to."""

    events: int
    stale: int
    revoked: int
    changes: list[Change]


class Doomed(NamedTuple):
    """Evaluations that are not to be tried again, with the failure that stands as their answer: a badge for one event,
    or a badge altogether.
    """

    once: Mapping[tuple[int, str], Failure] = {}
    always: Mapping[str, Failure] = {}


class Replay:
    """Judges the events of a stretch by the badges named (None: all). Use `steps()` to the end, then `result()`.

    With `dry_run` awards are entered in a copy that nobody else sees. With `prune` those that the rules no longer give
    are revoked.
    """

    def __init__(
        self,
        registry: Registry,
        store: Store,
        guard: Guard,
        stretch: Stretch,
        *,
        badges: Sequence[str] | None = None,
        now: datetime,
        dry_run: bool = False,
        prune: bool = False,
        doomed: Doomed | None = None,
        watch: SharedWatch | None = None,
        timezone: str = "UTC",
        seconds: Callable[[Badge], float] = lambda badge: 5.0,
    ) -> None:
        self._registry, self._store, self._guard, self._stretch = registry, store, guard, stretch
        self._now, self._dry_run, self._prune = now, dry_run, prune
        self._doomed, self._watch, self._seconds = doomed or Doomed(), watch, seconds
        self._journal = Journal(store.database, timezone, registry.level_name)
        self._badges = [badge for badge in registry if badges is None or badge.slug in badges]
        self._at = 0  # the number of the event that is judged
        self._failed: set[str] = set()
        self._awards: list[NewAward] = []
        self._failures: list[tuple[Entry, str, Failure]] = []
        self._transaction = contextlib.ExitStack()
        self._pruned: Counter[tuple[str, int]] = Counter()

    def steps(self) -> Iterator[Step]:
        """Walk the journal; yields often. Pruning walks again until nothing is stale."""
        self._prepare()
        yield from self._walk_all()
        for _ in range(MAX_PASSES if self._prune else 0):
            if not self._revoke_stale():
                return
            self._sql("DELETE FROM granted")  # what rested on those may be stale now, too
            yield from self._walk_all()

    def result(self) -> Result:
        """What changed, in the order of the badges."""
        stale = _by_level(self._stale("a.badge, a.level, count(*)", "GROUP BY a.badge, a.level"))
        gained = _by_level(self._sql("SELECT badge, level, count(*) FROM gained GROUP BY badge, level"))
        changes = []
        for badge in self._badges:
            for level in range(1, len(badge.levels) + 1):
                place = (badge.slug, level)
                names = [row[0] for row in self._sql(
                    'SELECT "user" FROM gained WHERE badge = ? AND level = ? ORDER BY "user" LIMIT ?', *place, NAMES
                )]  # fmt: skip
                changes.append(
                    Change(*place, badge.detail(level).name, gained[place], stale[place] + self._pruned[place], names)
                )
        revoked = self._pruned.total()
        return Result(self._stretch.count(self._store.database), stale.total() + revoked, revoked, changes)

    def _prepare(self) -> None:
        if self._dry_run:
            self._sql("PRAGMA foreign_keys = 0")  # the copy's events would have to be a copy, too
            ((statement,),) = self._sql("SELECT sql FROM main.sqlite_master WHERE type = 'table' AND name = 'awards'")
            self._sql(statement.replace("CREATE TABLE", "CREATE TEMP TABLE", 1))
            self._sql("INSERT INTO temp.awards SELECT * FROM main.awards")
            self._sql("CREATE INDEX temp.of_event ON awards (event_number, position)")
        for statement in SCRATCH:
            self._sql(statement)
        ((last,),) = self._sql("SELECT coalesce(max(number), 0) FROM events")
        self._stretch = self._stretch._replace(last=last)  # later ones are judged as they come

    # The walk

    def _walk_all(self) -> Iterator[Step]:
        yield from self._walk(self._stretch, self._badges, enter=True)
        suspects = {row[0] for row in self._stale("a.badge", "GROUP BY a.badge")}
        if suspects and self._stretch != self._stretch.whole:  # what no event of a part earns, another may
            badges = [badge for badge in self._badges if badge.slug in suspects]
            yield from self._walk(self._stretch.whole, badges, enter=False)

    def _walk(self, stretch: Stretch, badges: Sequence[Badge], *, enter: bool) -> Iterator[Step]:
        """Judge the events of a stretch by badges; without `enter` only note what they give."""
        listening: dict[str, list[Badge]] = {}
        for badge in badges:
            for name in dict.fromkeys(badge.events):
                listening.setdefault(name, []).append(badge)
        database = self._store.database
        names = stretch.names(database) if BADGE_AWARDED in listening else list(listening)
        total, done, step_at = stretch.count(database, names), 0, time.monotonic() + HOLD
        with self._transaction:
            for number in stretch.numbers(database, names):
                row = self._sql('SELECT number, name, "user", at, id, state FROM events WHERE number = ?', number)[0]
                self._judge_event(Entry(*row), listening, enter)
                done += 1
                if time.monotonic() >= step_at:
                    yield self._step(done, total)
                    step_at = time.monotonic() + HOLD
        yield self._step(done, total)

    def _judge_event(self, entry: Entry, listening: Mapping[str, Sequence[Badge]], enter: bool) -> None:
        """Ask the badges about an event, and about the awards that it earned."""
        self._at = entry.number
        cases = [Case(entry, self._journal, hindsight=True)]
        seen: set[Grant] = set()
        for case in cases:  # which grow meanwhile
            earned: list[tuple[int, Grant]] = []
            for badge in listening.get(case.entry.name, ()):
                for grant in self._judge(badge, case):
                    position = self._settle(grant, case.entry, enter)
                    if position is not None and grant not in seen:
                        earned.append((position, grant))
            if case.entry.position == 0 and BADGE_AWARDED in listening:
                earned += self._others_awards(case.entry, {badge for group in listening.values() for badge in group})
            seen.update(grant for _, grant in earned)
            if BADGE_AWARDED in listening:
                cases += [self._award_case(grant, case.entry) for _, grant in sorted(earned)]

    def _judge(self, badge: Badge, case: Case) -> list[Grant]:
        entry = case.entry
        if badge.async_:
            self._commit()  # it may take its time
        try:
            engine.require_end(entry)
            failure = self._doomed.always.get(badge.slug) or self._doomed.once.get((entry.number, badge.slug))
            if failure is not None:
                raise BadgeFailedError(failure)
            return judge(badge, case, self._ask)
        except EndlessAwardsError as error:
            self._fail(entry, badge, Failure(str(error)))
        except BadgeFailedError as error:
            self._fail(entry, badge, error.failure)
        return []

    def _fail(self, entry: Entry, badge: Badge, failure: Failure) -> None:
        self._failed.add(badge.slug)  # nothing of it is called stale
        self._failures.append((entry, badge.slug, failure))

    def _ask(self, badge: Badge, work: Callable[[], T], /) -> T:
        self._guard.seconds = self._seconds(badge)
        if self._watch is None:
            return self._guard.ask(work, source.folder_of(type(badge)))
        self._watch.line = self._at
        self._watch.asking(badge.slug)
        try:
            return self._guard.ask(work, source.folder_of(type(badge)))
        finally:
            self._watch.answered()

    def _settle(self, grant: Grant, entry: Entry, enter: bool) -> int | None:
        """Enter an award that is missing, note one that is there; its position where this event is what earned it."""
        on_record = self._store.award(grant)
        if on_record is not None:
            self._sql("INSERT OR IGNORE INTO granted VALUES (?, ?, ?, ?, ?)", *grant[:5])
            return on_record.position if on_record.event_number == entry.number else None
        if not enter:
            return None
        self._begin()
        if self._store.add_award(grant, entry.at, entry.number):
            self._awards.append(NewAward(grant, entry.number, entry.at))
            self._sql("INSERT OR IGNORE INTO gained VALUES (?, ?, ?)", grant.badge, grant.level, grant.user)
        on_record = self._store.award(grant)
        self._sql("INSERT OR IGNORE INTO granted VALUES (?, ?, ?, ?, ?)", *grant[:5])
        return on_record.position if on_record is not None and on_record.event_number == entry.number else None

    def _others_awards(self, entry: Entry, asked: set[Badge]) -> list[tuple[int, Grant]]:
        """Awards that the event earned by badges which are not asked now."""
        rows = self._sql(
            'SELECT position, "user", badge, level, "key", occasion FROM awards WHERE event_number = ? '
            "AND (revoked_by IS NULL OR revoked_by <> ?)",
            entry.number, REPLAY,
        )  # fmt: skip
        slugs = {badge.slug for badge in asked}
        return [(row[0], Grant(*row[1:])) for row in rows if row[2] not in slugs]

    def _award_case(self, grant: Grant, entry: Entry) -> Case:
        name = self._registry.level_name(grant.badge, grant.level)
        return Case(engine.award_entry(self._store, grant, name, entry), self._journal, hindsight=True)

    # What the rules no longer give

    def _stale(self, columns: str, rest: str) -> list[Any]:
        """Awards that an event of the stretch earned once, and that none earns now. Badges that failed have none."""
        slugs = [badge.slug for badge in self._badges if badge.slug not in self._failed]
        condition, values = self._stretch.condition()
        stale = STALE.format(badges=", ".join("?" * len(slugs)), within=condition)
        return self._sql(f"SELECT {columns} {stale} {rest}", *slugs, *values)

    def _revoke_stale(self) -> int:
        revoked = 0
        while rows := self._stale('a."user", a.badge, a.level, a."key", a.occasion', f"LIMIT {PAGE}"):
            self._begin()
            for row in rows:
                self._sql(
                    "UPDATE awards SET revoked_at = ?, revoked_by = ?, revoked_because = ? "
                    'WHERE "user" = ? AND badge = ? AND level = ? AND "key" = ? AND occasion = ?',
                    moment(self._now), REPLAY, "the rules no longer give it", *row,
                )  # fmt: skip
                self._pruned[row[1], row[2]] += 1
            self._commit()
            revoked += len(rows)
        return revoked

    # Transactions

    def _begin(self) -> None:
        """From now on, until the next step, what is entered is one transaction."""
        if not self._dry_run and not self._store.database.in_transaction():
            self._transaction.enter_context(self._store.transaction())

    def _commit(self) -> None:
        self._transaction.close()

    def _step(self, done: int, total: int) -> Step:
        self._commit()
        step = Step(done, total, self._awards, self._failures)
        self._awards, self._failures = [], []
        return step

    def _sql(self, query: str, *values: Any) -> list[Any]:
        return list(self._store.database.execute_sql(query, values).fetchall())


def _by_level(rows: Sequence[Any]) -> Counter[tuple[str, int]]:
    return Counter({(badge, level): count for badge, level, count in rows})
